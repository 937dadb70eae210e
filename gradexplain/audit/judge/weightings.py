"""Weightings that have a name: what training loops do by mistake, and what is left out."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gradexplain.audit.judge.case import Case, Verdict
from gradexplain.audit.judge.weights import Vector

_MOST = 4  # sets of parts to name: more would say no more
Named = tuple[Verdict, str, Vector]  # a verdict, which weighting it is, its weights


def named_weightings(case: Case) -> list[Named]:
    """Return the weightings a loop may use, up to a factor, each once; the expected one first."""
    found: list[Named] = [(Verdict.RESCALED, "expected", case.expected)]
    whole = float(case.expected.sum()) or 1.0  # a term may have a weight of its own
    for verdict, name, shares in [*_alike(case), *_by_group(case)]:
        weights = whole * shares
        if not any(case.same(known, weights) for _, _, known in found):
            found.append((verdict, name, weights))
    return found


def left_out(case: Case) -> list[tuple[int, ...]]:
    """Return the sets of parts that could be missing, as closely as the weights can be read.

    A part left out can look like another factor: the rest may have been renormalized.
    """
    read, found = case.weights, []
    zero = np.zeros_like(read.values)
    doubtful = (case.expected != 0) & (np.abs(read.values) <= read.uncertainty(zero))
    alone = [np.arange(len(zero)) == k for k in np.flatnonzero(doubtful)]
    for gone in [*alone, doubtful] if alone else []:
        for _, _, weights in named_weightings(case):
            rest = np.where(gone, 0, weights)
            renormalized = rest / rest.sum() if rest.sum() > 0 else rest
            if read.fits(rest) or read.fits(renormalized):
                found.append(tuple(np.flatnonzero(gone).tolist()))
    return list(dict.fromkeys(found))[:_MOST]


def kept_proportions(
    case: Case, gone: npt.NDArray[np.bool_]
) -> tuple[str, Vector, float, float] | None:
    """Return the weighting that the parts not gone keep among them, its factor and uncertainty."""
    for name, weights in [("expected", case.expected), ("alike", np.ones(len(gone)) / len(gone))]:
        rest = np.where(gone, 0.0, weights)
        factor, uncertainty = case.weights.factor(rest)
        if np.isfinite(uncertainty) and case.weights.fits(factor * rest):
            return name, rest, factor, uncertainty
    return None


def _alike(case: Case) -> Iterator[Named]:
    K = len(case.expected)
    yield Verdict.MEAN_OF_MEANS, "alike", np.full(K, 1 / K)


def _by_group(case: Case) -> Iterator[Named]:
    """Yield means that are right inside the groups but not across them, and the like."""
    if case.parts.groups is None:
        return
    labels = list(dict.fromkeys(case.parts.groups))
    member = np.array([[label == own for own in case.parts.groups] for label in labels])
    parts, G = member.sum(axis=1), len(labels)
    right = case.expected / (float(case.expected.sum()) or 1.0)
    across = member @ right
    inside = member / parts[:, np.newaxis]
    verdict = Verdict.MEAN_OF_GROUP_MEANS
    if np.all(across > 0):
        own = (right * member / across[:, np.newaxis]).sum(axis=0)
        yield verdict, "groups alike", own / G
    yield verdict, "groups and their parts alike", inside.sum(axis=0) / G
    yield verdict, "groups rightly, their parts alike", across @ inside
