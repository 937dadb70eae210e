"""Weightings that have a name: what training loops do by mistake, and how they are recognised."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gradexplain.audit.case import Case, Verdict, digits, places
from gradexplain.audit.gram import Vector

_LOSS_SCALES = [*range(-64, -3), *range(4, 65)]  # as powers of two; smaller ones are no surprise


def candidates(case: Case) -> list[tuple[Verdict, str, Vector]]:
    """Return the weightings that a loop may use, up to a factor, each once; the right one first."""
    found = [(Verdict.RESCALED, "is the mean gradient", case.right)]
    for verdict, text, weights in [*_alike(case), *_grouped(case)]:
        if not any(case.same(known, weights) for _, _, known in found):
            found.append((verdict, text, weights))
    return found


def lookalikes(case: Case) -> list[str]:
    """Return the parts that could have been left out of A, as closely as it can be read.

    A part left out can look like another factor: the rest may have been renormalised.
    """
    A, found = case.accumulated, []
    doubtful = (case.right != 0) & (np.abs(A.weights) <= A.blur(np.zeros_like(A.weights)))
    for gone in [*np.diag(doubtful)[doubtful], doubtful] if doubtful.any() else []:
        for _, _, weights in candidates(case):
            rest = np.where(gone, 0, weights)
            renormalised = rest / rest.sum() if rest.sum() > 0 else rest
            if A.fits(rest) or A.fits(renormalised):
                found.append(f"one without {places(np.flatnonzero(gone))}")
    return list(dict.fromkeys(found))


def factor_names(case: Case, factor: float, blur: float) -> list[str]:
    """Return every common reason for a factor that lies within its blur."""
    K, size, near = len(case.right), abs(factor), max(blur, 1e-6 * abs(factor))
    known = {
        f"K = {K}: summed over the parts, never divided; or parts already divided by K": K,
        f"1/K = 1/{K}: divided by the number of parts once too often": 1 / K,
    }
    if case.known.groups is not None:
        groups = len(set(case.known.groups))
        known |= {
            f"the number of groups, {groups}: summed over the groups, never divided": groups,
            f"1/{groups}: divided by the number of groups once too often": 1 / groups,
        }
    if case.known.counts is not None:
        n = float(case.known.counts.sum())
        sums = "the parts handed in are sums, not means; then A may well be right"
        known |= {
            f"n = {n:g}: summed over the targets, never divided": n,
            f"1/n = 1/{n:g}: divided by the total count once too often": 1 / n,
            f"K/n = {K}/{n:g}: {sums}": K / n,
            f"n/K = {n:g}/{K}: multiplied by the mean count": n / K,
        }
    known |= {f"2^{p}: a loss scale that was not taken out": 2.0**p for p in _LOSS_SCALES}
    return [name for name, value in known.items() if abs(size - value) <= near and value != 1]


def proportions(case: Case, gone: npt.NDArray[np.bool_]) -> tuple[str, Vector, float, float] | None:
    """Return the named weighting that the parts not gone keep among them, its factor and blur."""
    A, kept = case.accumulated, ~gone
    for text, weights in [("", case.right), (", every part alike", np.ones(len(kept)) / len(kept))]:
        rest = np.where(kept, weights, 0.0)
        factor, blur = A.factor(rest)
        if np.isfinite(blur) and A.fits(factor * rest):
            return text, rest, factor, blur
    return None


def patterns(case: Case) -> Iterator[str]:
    """Yield what is known about weights that are neither right nor alike."""
    A, right, w = case.accumulated, case.right, case.accumulated.weights
    reordered = np.empty_like(right)
    reordered[np.argsort(w)] = np.sort(right)
    if A.fits(reordered):
        yield "the right weights in another order: counts and parts are not paired as they were"
    doubled = np.abs(w - 2 * right) < np.abs(w - right)
    if doubled.any() and A.fits((1 + doubled) * right):
        yield f"{places(np.flatnonzero(doubled))} counted twice"
    if case.known.counts is not None:
        yield from _from_counts(case, case.known.counts)
    negative = np.flatnonzero(w < -A.blur(w))
    if negative.size:
        yield f"negative weights: {places(negative)}"
    low = min((w[right > 0] / right[right > 0]).tolist(), default=0.0)
    if low > 0 and np.all(w <= right + A.blur(right)):
        yield f"no part weighs more than it should, the least {digits(low)} times: clipped parts?"


def _from_counts(case: Case, counts: Vector) -> Iterator[str]:
    known = [
        ("the squares of the counts: weighed by the count twice", counts**2),
        ("counts of one target more a part: counted before the labels are shifted?", counts + 1),
        ("counts of one target less a part: counted after the labels are shifted?", counts - 1),
    ]
    if np.all(counts > 0):
        known.append(("one over the counts: divided by the count twice", counts**-1.0))
    for text, weights in known:
        if weights.sum() > 0:
            factor, blur = case.accumulated.factor(weights / weights.sum())
            if np.isfinite(blur) and case.accumulated.fits(factor * weights / weights.sum()):
                yield f"in proportion to {text}"


def _alike(case: Case) -> Iterator[tuple[Verdict, str, Vector]]:
    K = len(case.right)
    yield Verdict.MEAN_OF_MEANS, "weighs every part alike", np.full(K, 1 / K)


def _grouped(case: Case) -> Iterator[tuple[Verdict, str, Vector]]:
    """Yield means that are right inside the groups but not across them, and the like."""
    if case.known.groups is None:
        return
    labels = list(dict.fromkeys(case.known.groups))
    member = np.array([[label == own for own in case.known.groups] for label in labels])
    parts, G = member.sum(axis=1), len(labels)
    across = member @ case.right
    inside = member / parts[:, np.newaxis]
    verdict = Verdict.MEAN_OF_GROUP_MEANS
    if np.all(across > 0):
        yield (
            verdict,
            "weighs every group alike",
            (case.right * member / across[:, np.newaxis]).sum(0) / G,
        )
    yield verdict, "weighs every group alike, and in it every part", inside.sum(axis=0) / G
    yield verdict, "weighs the groups rightly, but in each every part alike", across @ inside
