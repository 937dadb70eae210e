"""What a user says about a step besides its gradients, checked once, where it comes in."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np

from gradexplain.audit.judge.case import MAIN, Parts
from gradexplain.audit.judge.weights import Vector

_MOST = 1e15  # targets; above, a float cannot count them


@dataclass(frozen=True, eq=False)
class Term:
    """A further term of the loss, whose mean is over counts of its own.

    Args:
        parts: the gradients of each micro-batch's own mean of this term.
        counts: how many things each of those means is over: tokens, sequences, boxes.
        weight: the intended factor of the term in the loss, where the main loss has 1. Without
            one, the proportions between micro-batches are judged, and a common factor passes.
    """

    parts: Iterable[object]
    counts: Iterable[SupportsFloat]
    weight: float | None = None


@dataclass(frozen=True, eq=False)
class PerWorker:
    """One accumulated gradient per worker: what each worker's optimizer was handed."""

    gradients: Sequence[object]


@dataclass(frozen=True, eq=False)
class Update:
    """An accumulated gradient seen only as the step of plain SGD: (before − after) / learning_rate.

    The audit allows for the rounding of the parameters, which such a difference keeps.
    """

    before: object
    after: object
    learning_rate: float


def parts_table(  # noqa: PLR0913 - each is one thing that a user may know
    sizes: tuple[int, ...],
    *,
    counts: object,
    terms: Mapping[str, Term],
    groups: object,
    also: object,
    expect: object,
    means: bool,
) -> Parts:
    """Return the table of parts: first those of the main term, then those of `terms`, in order.

    Args:
        sizes: how many parts each term has, the main one first.
        counts: the counts of the main term, or None.
        terms: the other terms.
        groups: a label per part, or None.
        also: other counts of the main term, by name.
        expect: "target", "part" or weights.
        means: whether the parts are gradients of means.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: lengths differ, a number is out of range, or counts are missing.
    """
    K = sizes[0]
    own = None if counts is None else checked_counts("counts", counts, K)
    if own is None and terms:
        raise ValueError("counts must be given where there are terms")
    if own is None and not means:
        raise ValueError('counts must be given where reduction is "sum"')
    each = [
        checked_counts(f"terms[{name!r}].counts", term.counts, size)
        for (name, term), size in zip(terms.items(), sizes[1:], strict=True)
    ]
    factors = [
        1.0 if term.weight is None else checked_factor(f"terms[{name!r}].weight", term.weight)
        for name, term in terms.items()
    ]
    main, intended = _main(expect, own, K)
    further = [factor * n / n.sum() for factor, n in zip(factors, each, strict=True)]
    expected = np.concatenate([main, *further])
    labels = [MAIN, *terms]
    rest = np.full(sum(sizes[1:]), np.nan)
    return Parts(
        expected=expected,
        slack=1e-9 * np.abs(expected),
        known=own is not None or intended != "target",
        intended=intended,
        counts=None if own is None else np.concatenate([own, *each]),
        groups=None if groups is None else _groups(groups, sizes),
        also={
            name: np.concatenate([checked_counts(f"also[{name!r}]", values, K), rest])
            for name, values in named("also", also).items()
        },
        terms=tuple(name for name, size in zip(labels, sizes, strict=True) for _ in range(size))
        if terms
        else (),
        unweighted=frozenset(name for name, term in terms.items() if term.weight is None),
        means=means,
    )


def named(argument: str, given: object) -> Mapping[str, Any]:
    """Return what was given by name, or nothing.

    Raises:
        TypeError: it is not a mapping.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"{argument} must be a dict keyed by name, not {type(given).__name__}")
    return given


def checked_terms(terms: object) -> dict[str, Term]:
    """Return the terms by name.

    Raises:
        TypeError: `terms` is not a mapping from names to `Term`.
        ValueError: a term has the main term's name.
    """
    if terms is None:
        return {}
    if not isinstance(terms, Mapping):
        raise TypeError(f"terms must be a dict of Term keyed by name, not {type(terms).__name__}")
    for name, term in terms.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"terms must have names that are words, not {name!r}")
        if not isinstance(term, Term):
            raise TypeError(f"terms[{name!r}] must be a Term, not {type(term).__name__}")
        if name == MAIN:
            raise ValueError(f"terms must not hold {MAIN!r}, which is the main term's own name")
    return dict(terms)


def _main(expect: object, counts: Vector | None, K: int) -> tuple[Vector, str]:
    """Return the main term's expected weights, and which mean they are."""
    alike = np.full(K, 1 / K)
    if isinstance(expect, str):
        if expect not in {"target", "part"}:
            raise ValueError(f'expect must be "target", "part" or {K} weights, not {expect!r}')
        if expect == "part":
            return alike, "part"
        return (alike if counts is None else counts / counts.sum()), "target"
    weights = numbers("expect", expect, K)
    if not np.isfinite(weights).all() or not weights.any():
        raise ValueError(f"expect must be finite and not all 0, not {weights.tolist()}")
    return weights, "given"


def _groups(groups: object, sizes: tuple[int, ...]) -> tuple[object, ...]:
    """Return a label per part; those of the main term serve the other terms too."""
    K = sizes[0]
    wanted = f"groups must be a sequence of {K} labels, one per part"
    labels = tuple(in_order(wanted, groups))
    if not all(isinstance(label, Hashable) for label in labels):
        raise TypeError(f"{wanted}, that can be compared with ==, not {groups!r}")
    if len(labels) != K:
        raise ValueError(f"{wanted}, not {len(labels)}")
    if any(size != K for size in sizes):
        raise ValueError(
            f"groups need as many parts in each term, not {', '.join(map(str, sizes))}"
        )
    return labels * len(sizes)


def checked_counts(name: str, counts: object, K: int) -> Vector:
    """Return K counts as floats.

    Raises:
        TypeError: `counts` is not a sequence of numbers.
        ValueError: there are not K of them, or one is negative or not finite, or all are 0.
    """
    values = numbers(name, counts, K)
    if not np.all(np.isfinite(values) & (values >= 0)) or not values.any():
        raise ValueError(f"{name} must be finite, at least 0 and not all 0, not {values.tolist()}")
    if values.max() > _MOST:
        raise ValueError(f"{name} must be at most {_MOST:g}, not {values.max():g}")
    return values


def numbers(name: str, given: object, K: int) -> Vector:
    """Return K numbers, one per part, as floats.

    Raises:
        TypeError: `given` is not a sequence of numbers.
        ValueError: there are not K of them.
    """
    wanted = f"{name} must be a sequence of {K} number{'s' if K > 1 else ''}, one per part"
    values = [number(f"{name}[{k}]", item) for k, item in enumerate(in_order(wanted, given))]
    if len(values) != K:
        raise ValueError(f"{wanted}, not {len(values)}")
    return np.array(values)


def in_order(wanted: str, given: Any) -> list[Any]:  # noqa: ANN401 - whatever a user may pass
    """Return what a sequence holds; a set has no order, and a string is one thing.

    Raises:
        TypeError: `given` is not a sequence.
    """
    unordered = isinstance(given, str | bytes | Mapping | set | frozenset)
    if unordered or not isinstance(given, Iterable) or getattr(given, "ndim", None) == 0:
        raise TypeError(f"{wanted}, not {given!r}")
    return list(given)


def checked_factor(name: str, factor: object) -> float:
    """Return a factor as a float.

    Raises:
        TypeError: it is not a number.
        ValueError: it is 0 or not finite.
    """
    value = number(name, factor)
    if not np.isfinite(value) or value == 0:
        raise ValueError(f"{name} must be finite and not 0, not {value:g}")
    return value


def number(name: str, given: Any) -> float:  # noqa: ANN401 - whatever a user may pass
    """Return one number as a float.

    Raises:
        TypeError: `given` is not a number.
        ValueError: it is an integer too large for a float.
    """
    several = isinstance(given, Sequence) or getattr(given, "ndim", 0) > 0  # or text, of letters
    if several or isinstance(given, bool | np.bool_) or np.iscomplexobj(given):
        raise TypeError(f"{name} must be a number, not {given!r}")
    try:
        return float(given)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {given!r}") from None
    except OverflowError:
        raise ValueError(f"{name} must be a number, but is too large for a float") from None
