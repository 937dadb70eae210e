"""The steps of the decision that look at the weights alone: what A is, inside the parts' span."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gradexplain.audit.judge.case import Case, Finding, Note, Verdict, note
from gradexplain.audit.judge.factors import factor_names
from gradexplain.audit.judge.patterns import patterns
from gradexplain.audit.judge.sums import determined_sums
from gradexplain.audit.judge.weightings import kept_proportions, left_out, named_weightings
from gradexplain.audit.judge.weights import Vector

_CLEAR = 2  # a weight is clearly off by so many times its uncertainty
_HALF = 0.5  # with more than this share unread, no part is said to be missing
_LITTLE = 0.1  # parts that weigh less than this share together may stay unread


def _nothing_left(case: Case) -> Finding | None:
    """A is zero, nearly zero, or contains none of these parts."""
    zero = np.zeros_like(case.expected)
    if case.evidence is not None and case.evidence.zero:
        return Finding(Verdict.DROPPED, note("nothing"), factor=0.0)
    if case.evidence is not None and case.evidence.short:
        return Finding(Verdict.AMBIGUOUS, note("short"))
    if case.weights.fits(zero) and not case.weights.unread(case.expected).any():
        return Finding(Verdict.DROPPED, note("nothing"), factor=0.0)
    return None


def _up_to_a_factor(case: Case) -> Finding | None:
    """One named weighting fits up to a factor; where several do, it stays open."""
    fitting = []
    for verdict, name, weights in named_weightings(case):
        factor, uncertainty = case.weights.factor(weights)
        if np.isfinite(uncertainty) and case.weights.fits(factor * weights):
            fitting.append((verdict, name, weights, factor, uncertainty))
    if len(fitting) > 1:
        each = (note("also", weighting=name, factor=factor) for _, name, _, factor, _ in fitting)
        return Finding(Verdict.AMBIGUOUS, note("several"), notes=tuple(each))
    if not fitting:
        return None
    verdict, name, weights, factor, uncertainty = fitting[0]
    if abs(factor - 1) <= uncertainty:
        factor = 1.0
    missing = [note("also without", parts=parts) for parts in left_out(case)]
    if missing:
        either = note("also", weighting=name, factor=factor)
        return Finding(Verdict.AMBIGUOUS, note("several"), notes=(either, *missing))
    if factor == 1 and name == "expected":  # then it would fit without any, and does not sharply
        return None
    names = factor_names(case, factor, uncertainty) if factor != 1 else []
    strained = abs(factor - 1) <= _CLEAR * _relative(case) and (
        _CLEAR * case.weights.deviation(factor * weights) > 1
    )
    if factor != 1 and not names and (strained or _unread_share(case) > _LITTLE):
        return None
    names += but_unread(case)
    claim = note("weighs", weighting=name, factor=factor, intended=case.parts.intended)
    return Finding(verdict, claim, factor, tuple(names))


def _dropped(case: Case) -> Finding | None:
    """Some weights are zero, and not what they should be; the others keep their proportions."""
    kept, gone = None, _off_and_zero(case, case.weights.level * case.expected)
    if gone.any() and _unread_share(case) <= _HALF:
        kept = kept_proportions(case, gone)
    if kept is not None:  # what they should be depends on the factor of the others
        gone = _off_and_zero(case, kept[2] * case.expected)
        kept = kept_proportions(case, gone) if gone.any() else None
    if kept is None:
        return None
    name, rest, factor, uncertainty = kept
    factor = 1.0 if abs(factor - 1) <= uncertainty else factor
    whole = case.expected.sum()
    renormalized = abs(factor * rest.sum() - whole) <= uncertainty * rest.sum()
    claim = note(
        "dropped",
        parts=tuple(np.flatnonzero(gone).tolist()),
        weighting=name,
        factor=factor,
        renormalized=bool(renormalized),
    )
    names = factor_names(case, factor, uncertainty) if factor != 1 and not renormalized else []
    if np.flatnonzero(~gone).tolist() == [len(gone) - 1]:
        names.insert(0, note("only the last"))
    return Finding(Verdict.DROPPED, claim, factor, (*names, *but_unread(case, gone)))


def _off_and_zero(case: Case, expected: Vector) -> npt.NDArray[np.bool_]:
    """Tell which weights can be zero, but not half of what they should be."""
    uncertainty = case.weights.uncertainty(np.zeros_like(expected))
    zero = np.abs(case.weights.values) <= uncertainty
    return zero & (np.abs(expected) > 2 * uncertainty)


def _near(case: Case) -> Finding | None:
    """No named weighting fits sharply, but nothing is clearly off, or only what may be missing."""
    near = case.weights.fits(case.expected, sharply=False)
    clear = case.weights.deviation(case.expected) >= _CLEAR and _unread_share(case) <= _LITTLE
    zero = np.abs(case.weights.values) <= case.weights.uncertainty(0 * case.expected)
    doubtful = zero & (case.expected != 0)
    if doubtful.any() and kept_proportions(case, doubtful) is not None:
        parts = tuple(np.flatnonzero(doubtful).tolist())
        return Finding(Verdict.AMBIGUOUS, note("lacking", parts=parts))
    return Finding(Verdict.AMBIGUOUS, note("near")) if near and not clear else None


def _uncertain(case: Case) -> Finding | None:
    """Weights are uncertain by a quarter of themselves: say which sums of weights are not."""
    if _unread_share(case) <= _LITTLE:
        return None
    lost = np.flatnonzero(case.weights.unread(case.expected))
    claim = note("uncertain", parts=tuple(lost.tolist()))
    return Finding(Verdict.AMBIGUOUS, claim, notes=tuple(determined_sums(case, lost)))


def _reweighted(case: Case) -> Finding:
    """Anything else: with the patterns that are known."""
    notes = (*patterns(case), *but_unread(case))
    return Finding(Verdict.REWEIGHTED, note("reweighted"), notes=notes)


def _unread_share(case: Case) -> float:
    """Return what the parts that could not be read should weigh, as a share of all."""
    sizes = np.abs(case.expected)
    return float(sizes[case.weights.unread(case.expected)].sum() / sizes.sum())


def _relative(case: Case) -> float:
    """Return how far the weights that could be read may be off, as a share of themselves."""
    read = ~case.weights.unread(case.expected) & (case.expected != 0)
    shares = case.weights.uncertainty(case.expected)[read] / np.abs(case.expected[read])
    return float(shares.max(initial=0.0))


def but_unread(case: Case, said: npt.NDArray[np.bool_] | None = None) -> tuple[Note, ...]:
    """Say which other parts could not be read."""
    left = (case.expected != 0) if said is None else (case.expected != 0) & ~said
    unread = np.flatnonzero(case.weights.unread(case.expected) & left)
    return (note("but unread", parts=tuple(unread.tolist())),) if unread.size else ()


Step = Callable[[Case], Finding | None]


IN_THE_SPAN: tuple[Step, ...] = (
    _nothing_left,
    _up_to_a_factor,
    _dropped,
    _near,
    _uncertain,
    _reweighted,
)
