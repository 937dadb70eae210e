"""Factors of terms that were given no weight: they may be meant, so they are asked about."""

from collections.abc import Iterator, Sequence

import numpy as np

from gradexplain.audit.judge.case import Case, Finding, Verdict, note
from gradexplain.audit.tap.rows import Row
from gradexplain.audit.tell.sentences import capitalized

_MAIN_KIND = "cross-entropy"  # in the names of losses that are read without a tap: the main one
_SAME = 1e-5  # how far two factors may differ, as a share, and be one


def divided_twice(rows: Sequence[Row], case: Case, said: Finding) -> Finding | None:
    """Ask about the main term's factor, or all terms' common one, if loops make it by mistake.

    Nothing is asked where a term has factor 1, or a weight that was given: the loop is right then.
    """
    factors = {name: _factor(found) for name, found in said.terms}
    if not said.ok or not factors or not factors.keys() <= case.parts.unweighted:
        return None
    if any(_alike(factor, 1.0) for factor in factors.values()):
        return None
    main = _main(rows, factors)
    common = all(_alike(factor, factors[main]) for factor in factors.values())
    batches, workers = _most_batches(rows), len({row.worker for row in rows})
    for above, below in _of_loops(batches, workers):
        if _alike(factors[main], above / below):
            there = f"{batches} micro-batch{'' if batches == 1 else 'es'}"
            claim = note(
                "divided twice?",
                term="Every term" if common else capitalized(main),
                times=f"{above} times" if below == 1 else f"{above}/{below} of",
                there=f"{there} on each of {workers} workers" if workers > 1 else there,
                asked="divided twice" if above < below else "is a division missing",
            )
            return Finding(Verdict.AMBIGUOUS, claim, factors[main], terms=said.terms)
    return None


def only_tapped(rows: Sequence[Row], case: Case, said: Finding) -> Finding | None:
    """Ask about the factor of a term without a weight, where other terms pass no tap.

    It was held to 1 only because none of these was named.
    """
    if said.verdict is not Verdict.RESCALED or case.parts.intended == "given":
        return None
    accused = [(name, found.verdict) for name, found in said.terms if found.ok is False]
    accused = accused or [(rows[0].term, said.verdict)]
    (term, _), *more = accused
    if more or any(row.weight is not None for row in rows if row.term == term):
        return None
    claim = note("only tapped", term=capitalized(term), factor=said.factor)
    return Finding(Verdict.AMBIGUOUS, claim, said.factor, terms=said.terms)


def _factor(found: Finding) -> float:
    """Return the factor of a term that is exact, up to it."""
    return float(found.claim.facts.get("factor", 1.0))  # type: ignore[arg-type]


def _main(rows: Sequence[Row], factors: dict[str, float]) -> str:
    """Return a cross-entropy, or a term of the most targets; of several, the largest one."""
    counts = dict.fromkeys(factors, 0.0)
    for row in rows:
        counts[row.term] += row.count or 0.0
    named = [name for name in factors if _MAIN_KIND in name]
    most = max(counts.values())
    largest = named or [name for name, count in counts.items() if count == most]
    return max(largest, key=lambda name: abs(factors[name]))


def _most_batches(rows: Sequence[Row]) -> int:
    """Return how many micro-batches a worker has, of one term."""
    taps = {(row.term, row.worker, row.batch) for row in rows}
    own = [(term, worker) for term, worker, _ in taps]
    return max(own.count(one) for one in set(own))


def _of_loops(batches: int, workers: int) -> Iterator[tuple[int, int]]:
    """Yield the factors that loops make of a mean, as quotients."""
    for above, below in (
        (1, batches),
        (batches, 1),
        (1, workers),
        (workers, 1),
        (1, batches * workers),
        (batches * workers, 1),
        (batches, workers),
        (workers, batches),
    ):
        if above != below:
            yield above, below


def _alike(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=_SAME, atol=0))
