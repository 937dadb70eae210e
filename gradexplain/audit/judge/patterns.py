"""What is known about weights that are neither the expected ones nor alike."""

from collections.abc import Iterator

import numpy as np

from gradexplain.audit.judge.case import Case, Note, note
from gradexplain.audit.judge.weights import Vector, Weights

_MOST = 12  # the largest integer of a ratio, and the most parts it is written for


def patterns(case: Case) -> Iterator[Note]:
    """Yield what explains the weights, the most telling first."""
    yield from _by_counts(case)
    yield from _paired_or_doubled(case)
    yield from _in_order(case)
    yield from _clipped(case)
    yield from _integers(case.weights)
    negative = np.flatnonzero(case.weights.values < -case.weights.uncertainty(case.weights.values))
    if negative.size:
        yield note("negative", parts=tuple(negative.tolist()))


def _by_counts(case: Case) -> Iterator[Note]:
    """Weights in proportion to some count, or to what becomes of one."""
    for name, values in case.parts.also.items():
        yield from _in_proportion(case, values, note("in proportion", to=name))
    if case.counts is None:
        return
    counts = case.counts
    if case.parts.intended != "target":
        yield from _in_proportion(case, counts, note("in proportion", to="the counts"))
    yield from _in_proportion(case, counts**2, note("counted twice over"))
    yield from _in_proportion(case, counts + 1, note("one target more"))
    yield from _in_proportion(case, counts - 1, note("one target less"))
    if np.all(counts > 0):
        yield from _in_proportion(case, counts**-1.0, note("divided twice"))


def _in_proportion(case: Case, values: Vector, found: Note) -> Iterator[Note]:
    if values.sum() > 0 and np.all(values >= 0):
        factor, uncertainty = case.weights.factor(values / values.sum())
        if np.isfinite(uncertainty) and case.weights.fits(factor * values / values.sum()):
            yield found


def _paired_or_doubled(case: Case) -> Iterator[Note]:
    read, expected = case.weights, case.expected
    reordered = np.empty_like(expected)
    reordered[np.argsort(read.values)] = np.sort(expected)
    if read.fits(reordered):
        yield note("another order")
    doubled = np.abs(read.values - 2 * expected) < np.abs(read.values - expected)
    if doubled.any() and read.fits((1 + doubled) * expected):
        yield note("doubled", parts=tuple(np.flatnonzero(doubled).tolist()))


def _in_order(case: Case) -> Iterator[Note]:
    """Weights that follow the order of the parts."""
    K = len(case.expected)
    if K < 3:
        return
    for base in _bases(case):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = case.weights.values[-1] / base[-1] / (case.weights.values[0] / base[0])
        if not np.isfinite(ratio) or ratio <= 0:
            continue
        step = ratio ** (1 / (K - 1))
        if abs(step - 1) < 1e-3:
            continue
        for kind, shape in [
            ("geometric", step ** np.arange(K)),
            ("harmonic", 1 / np.arange(1, K + 1)),
        ]:
            factor, uncertainty = case.weights.factor(base * shape)
            if np.isfinite(uncertainty) and case.weights.fits(factor * base * shape):
                yield note(kind, step=float(step))
                return


def _bases(case: Case) -> list[Vector]:
    return [case.expected, np.full(len(case.expected), 1 / len(case.expected))]


def _clipped(case: Case) -> Iterator[Note]:
    """Clipping of each part, or of the running total: the gradients' lengths must bear it out."""
    if case.evidence is None or case.evidence.sketched:
        return
    read, norms = case.weights, np.sqrt(np.diag(case.weights.metric))
    for base in _bases(case):
        if np.any(base <= 0) or np.any(read.values <= 0):
            continue
        slack = read.uncertainty(base) / base + 1e-4
        ratios = read.values / base
        # Clipped is either the part's own mean gradient, or what the loop makes of it.
        if _is_clip(norms, ratios, slack, 2) or _is_clip(base * norms, ratios, slack, 2):
            yield note("clipped parts", ratio=float(ratios.min()))
            return
        after = np.append(ratios[1:], 1.0)
        totals = [
            read.size(np.where(np.arange(len(base)) <= k, read.values, 0)) / after[k]
            for k in range(len(base))
        ]
        if _is_clip(np.array(totals) * after / ratios, ratios / after, slack, 1):
            yield note("running total clipped", ratio=float(ratios.min()))
            return


def _is_clip(lengths: Vector, ratios: Vector, slack: Vector, least: int) -> bool:
    """Tell whether each ratio is min(1, C / length) for one C, and at least so many are below 1."""
    short = ratios < 1 - slack
    if np.any(ratios > 1 + slack) or np.count_nonzero(short) < least:
        return False
    limits = lengths[short] * ratios[short]
    limit = float(np.mean(limits))
    even = np.all(np.abs(limits - limit) <= (slack[short] + 1e-3) * limit)
    return bool(even and np.all(lengths[~short] <= limit * (1 + slack[~short] + 1e-3)))


def _integers(read: Weights) -> Iterator[Note]:
    """Weights whose ratios are small integers: 3 : 3 : 2."""
    values = read.values
    if not 2 <= len(values) <= _MOST or np.any(values <= 0) or not np.isfinite(read.absolute).all():
        return
    for least in range(1, 7):
        ratios = values * least / values.min()
        off = np.abs(ratios - np.round(ratios))
        allowed = 2 * read.uncertainty(values) * least / values.min() + 1e-6
        if ratios.max() <= _MOST and np.all(off <= allowed) and np.all(allowed < 0.05):
            yield note("integers", ratio=tuple(int(r) for r in np.round(ratios)))
            return
