"""The table that the judge is given: what each tapped loss weighs once the optimizer has it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradexplain.audit.judge.case import MAIN, Case, Parts
from gradexplain.audit.judge.weights import Vector, directly_read
from gradexplain.audit.tap.seen import Array, Tapped

Factors = Mapping[tuple[int, int], float]  # by worker and pass
ROUNDED = 1e-6  # what rounding in float32 may change of a weight
_MOST_ROWS = 512  # of sequences; beyond, micro-batches are judged as they are


@dataclass(frozen=True, eq=False)
class Row:
    """One part: a micro-batch's loss, or one sequence of it."""

    term: str
    worker: int
    batch: int  # the tap it is of
    value: float  # the weight of its mean
    read: float  # the same where the loss hands it out
    count: float | None
    weight: float | None  # that its term is meant to have
    unit: float
    unread: bool = False
    spread: float = 0.0  # how far its targets' weights differ, as a share
    beside: bool = False  # whether targets that don't count have a weight
    back: bool = True  # whether anything arrived at it
    tapped: bool = True  # whether its weight is that of the loss as it was tapped


def rows_of(taps: Sequence[Sequence[Tapped]], factors: Factors, unsure: Factors) -> tuple[Row, ...]:
    """Return the parts of a step.

    Args:
        taps: those of each worker, in order.
        factors: by which factor each pass reached the optimizer.
        unsure: how far each factor may be off.
    """
    every = [(w, k, tap) for w, own in enumerate(taps) for k, tap in enumerate(own)]
    tables = [_Weighed(w, k, tap, factors, unsure) for w, k, tap in every]
    by_sequence = {one.tap.term for one in tables if one.uneven} - {
        one.tap.term for one in tables if not one.even_by_sequence
    }
    if sum(len(one.weights) for one in tables if one.tap.term in by_sequence) > _MOST_ROWS:
        by_sequence = set()
    found = [row for one in tables for row in one.rows(split=one.tap.term in by_sequence)]
    return tuple(found)


def case_of(rows: Sequence[Row], expect: object, relative: float) -> Case:
    """Return the case: what the rows weigh, against what they should.

    Args:
        rows: the parts.
        expect: "target", "part" or weights, as `watch` has it.
        relative: how far the factors of the way may be off.
    """
    main = _main(rows)
    weights = term_weights(rows)
    given = {} if isinstance(expect, str) else _given(rows, expect, main)
    rows = [row for row in rows if row.count != 0]
    expected = np.zeros(len(rows))
    terms = list(dict.fromkeys(row.term for row in rows))
    for term in terms:
        own = [k for k, row in enumerate(rows) if row.term == term]
        expected[own] = _expected([rows[k] for k in own], expect, given)
        total = weights[term]
        expected[own] *= 1.0 if total is None else total
    workers = [row.worker for row in rows]
    known = all(row.count is not None for row in rows)
    batches = [(row.worker, row.batch) for row in rows]
    split = len(set(batches)) < len(batches)
    unit = max([relative / 6, *(row.unit for row in rows)])
    values = np.array([row.value for row in rows])
    same = np.abs(values - expected) <= 6 * unit * np.abs(expected)  # but for rounding
    read = directly_read(
        np.where(same, expected, values),
        unit,
        np.array([row.unread for row in rows], dtype=bool),
    )
    parts = Parts(
        expected=expected,
        slack=1e-9 * np.abs(expected),
        intended=str(expect) if isinstance(expect, str) else "given",
        counts=np.array([row.count for row in rows], dtype=float) if known else None,
        groups=tuple(batches if split else workers) if split or len(set(workers)) > 1 else None,
        terms=tuple(row.term for row in rows) if len(terms) > 1 else (),
        unweighted=frozenset(term for term in terms if weights[term] is None),
    )
    return Case(read, parts)


def _main(rows: Sequence[Row]) -> str | None:
    """Return the term whose weight is 1 if nothing is said: the main one, or the only one."""
    terms = {row.term for row in rows}
    if MAIN in terms:
        return MAIN
    return next(iter(terms)) if len(terms) == 1 else None


def _given(rows: Sequence[Row], expect: object, main: str | None) -> dict[Row, float]:
    """Return the weights that were given, by the rows of the main term.

    Sequences of one tapped loss share its weight, each target alike.

    Raises:
        ValueError: there is no main term, or it has another number of tapped losses.
    """
    weights = [float(weight) for weight in expect]  # type: ignore[attr-defined]
    if main is None:
        terms = ", ".join(dict.fromkeys(row.term for row in rows))
        raise ValueError(
            f'expect must be "target" or "part" where no term is called {MAIN!r}, '
            f"not {len(weights)} weights: the terms are {terms}"
        )
    own = [row for row in rows if row.term == main]
    taps = list(dict.fromkeys((row.worker, row.batch) for row in own))
    if len(weights) != len(taps):
        raise ValueError(
            f"expect must have a weight for each tapped loss, {len(taps)}, not {len(weights)}"
        )
    of_tap = dict(zip(taps, weights, strict=True))
    return {row: of_tap[row.worker, row.batch] * _share(row, own) for row in own}


def _share(row: Row, rows: Sequence[Row]) -> float:
    """Return the share of its tapped loss that a sequence is: that of the targets."""
    own = [one for one in rows if (one.worker, one.batch) == (row.worker, row.batch)]
    if len(own) == 1:
        return 1.0
    return (row.count or 0.0) / sum(one.count or 0.0 for one in own)


def _expected(rows: Sequence[Row], expect: object, given: Mapping[Row, float]) -> Vector:
    """Return what the parts of one term should weigh, if it has weight 1."""
    counts = [row.count for row in rows]
    if rows[0] in given:
        return np.array([given[row] for row in rows])
    if expect == "part" or any(n is None for n in counts):
        return np.full(len(rows), 1 / len(rows))
    values = np.array(counts, dtype=float)
    return values / values.sum()


def term_weights(rows: Sequence[Row]) -> dict[str, float | None]:
    """Return the total that each term should weigh; 1 for the main one, if nothing is said.

    Raises:
        ValueError: two are given for one term.
    """
    main = _main(rows)
    found: dict[str, float | None] = {}
    for row in rows:
        before = found.setdefault(row.term, row.weight)
        if row.weight is not None and before is not None and before != row.weight:
            raise ValueError(
                f"weight must be the same in each tap of {row.term!r}, "
                f"not {before:g} and {row.weight:g}"
            )
        found[row.term] = row.weight if before is None else before
    if main is not None and found[main] is None:
        found[main] = 1.0
    return found


class _Weighed:
    """One tap, and what each of its targets weighs."""

    def __init__(
        self, worker: int, batch: int, tap: Tapped, factors: Factors, unsure: Factors
    ) -> None:
        self.worker, self.batch, self.tap = worker, batch, tap
        own = {one: c for (w, one), c in factors.items() if w == worker}
        arrived = tap.arrived(own)
        self.back = arrived is not None
        alone = tap.arrived(dict.fromkeys(tap.read, 1.0))
        empty = np.zeros(tap.shape)
        weights = self._trained(empty if arrived is None else arrived)
        self.weights = np.nan_to_num(weights, nan=0.0)
        self.read = np.nan_to_num(self._trained(empty if alone is None else alone), nan=0.0)
        self.kept = self._kept()
        hidden = any(np.isinf(unsure[worker, one]) for one in tap.read if one in own)
        self.unread = hidden or bool(np.isnan(weights).any())

    @property
    def uneven(self) -> bool:
        """Whether the targets that count have different weights."""
        return _spread(self.weights[self.kept]) > self._tolerance if self.weights.ndim else False

    @property
    def even_by_sequence(self) -> bool:
        """Whether inside each sequence they have the same."""
        if self.weights.ndim < 2:
            return False
        pairs = zip(self.weights, self.kept, strict=True)
        return all(_spread(w[k]) <= self._tolerance for w, k in pairs)

    def rows(self, *, split: bool) -> Iterator[Row]:
        """Yield one part, or one for each sequence."""
        if self.weights.ndim == 0:
            yield self._scalar()
        elif split and self.kept.any():
            for w, r, k in zip(self.weights, self.read, self.kept, strict=True):
                if k.any():
                    yield replace(self._row(w[k], r[k]), beside=bool(np.any(w[~k] != 0)))
        else:
            row = self._row(self.weights[self.kept], self.read[self.kept])
            spread = _spread(self.weights[self.kept])
            yield replace(
                row,
                spread=spread if spread > self._tolerance else 0.0,
                beside=bool(np.any(self.weights[~self.kept] != 0)),
            )

    @property
    def _tolerance(self) -> float:
        return 64 * self.tap.unit

    def _kept(self) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
        if self.tap.kept is not None:
            return self.tap.kept
        if self.read.any():
            return np.asarray(self.read != 0)
        # Where nothing arrived at any target, none of them can be taken for padding.
        counted = np.ones_like(self.read, bool)
        return counted if self.tap.ignored is None else ~self.tap.ignored

    def _trained(self, weights: Array) -> Array:
        """Return the weights, without those of targets that the loss leaves out."""
        return weights if self.tap.ignored is None else np.where(self.tap.ignored, 0.0, weights)

    def _row(self, weights: Array, read: Array) -> Row:
        """Return a part whose mean is over these targets."""
        return self._made(float(weights.sum()), float(read.sum()), float(len(weights)))

    def _scalar(self) -> Row:
        count = self.tap.count
        times = 1.0 if not self.tap.summed or count is None else count
        return self._made(float(self.weights) * times, float(self.read) * times, count)

    def _made(self, value: float, read: float, count: float | None) -> Row:
        tap = self.tap
        return Row(
            term=tap.term,
            worker=self.worker,
            batch=self.batch,
            value=value,
            read=read,
            count=count,
            weight=tap.weight,
            unit=tap.unit,
            unread=self.unread,
            back=self.back,
        )


def _spread(weights: Array) -> float:
    """Return how far weights are from their mean, over the largest."""
    if weights.size < 2:
        return 0.0
    return float(np.abs(weights - weights.mean()).max() / max(np.abs(weights).max(), 1e-300))
