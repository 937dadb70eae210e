"""The audit of losses: which mean of the parts' losses a reported number is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import SupportsFloat

import numpy as np

from gradexplain.audit.given import checked_counts, in_order, number, numbers, parts_table
from gradexplain.audit.judge.case import Case, Finding, Note, Parts, Verdict, note
from gradexplain.audit.judge.weightings import named_weightings
from gradexplain.audit.judge.weights import Vector, directly_read
from gradexplain.audit.tell.advice import LOSS_QUESTIONS, LOSS_TO_DO
from gradexplain.audit.tell.report import Report, report_of
from gradexplain.audit.tell.sentences import digits

_FLOAT32 = 1e-5  # how far two ways to add up losses in float32 may differ
_HALF_BITS = (8, 11)  # the significant bits of bfloat16 and float16
_NEAR = 4  # times the rounding: what is nearer to the right mean may be it


def audit_mean(
    values: Iterable[SupportsFloat],
    counts: Iterable[SupportsFloat],
    reported: SupportsFloat,
    *,
    groups: Iterable[object] | None = None,
    expect: str | Iterable[SupportsFloat] = "target",
    decimals: int | None = None,
) -> Report:
    """Say which mean of the parts' losses a reported loss is: over all targets, or of their means.

    For losses that are logged or evaluated batch by batch, and for perplexities, exp of a mean
    loss. One number cannot show K weights, so it is compared with what loops are known to report.
    Numbers are taken to be rounded where their decimals end.

    Args:
        values: the parts' losses, each a mean over its own targets.
        counts: how many targets each of them is a mean over.
        reported: what your code reports for all of them together: a loss, or a perplexity.
        groups: a label per part, such as its worker, if means may have been taken by group.
        expect: which mean is intended: "target" (every target alike), "part" (every part alike),
            or K weights.
        decimals: to how many decimals all these numbers were rounded, where zeros at the end may
            hide it.

    Returns:
        A report; `ok` is None where the numbers are too close to each other for their digits.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: lengths differ, or a number is not finite or out of range.

    >>> from gradexplain import audit_mean
    >>> report = audit_mean([2.31, 4.12, 3.05], [900, 20, 300], reported=3.16)
    >>> print(report.summary)
    mean of means: The reported value is the mean of the parts' means.
    >>> print(report.details[0])
    Reported 3.16, right 2.522: 25.32% off. Numbers are known to ± 0.01.
    """
    losses, n = _Losses.checked(values, counts, reported, decimals)
    K = len(n)
    table = parts_table(
        (K,), counts=n, terms={}, groups=groups, also=None, expect=expect, means=True
    )
    kept = np.flatnonzero(n > 0)
    case = _case(table.only(kept), None)
    known = list(_known(case, losses))
    found, said = _decide(case, losses, known)
    case = _case(case.parts, None if said is None else said.factor * said.weights)
    report = report_of(
        case,
        found,
        f"audit of a reported loss, {len(kept)} part{'s' if len(kept) > 1 else ''}",
        (_details(losses, known, said),),
        tuple([note("empty", batches=K - len(kept))] if len(kept) < K else []),
    )
    return replace(
        report,
        to_do=LOSS_TO_DO[found.verdict],
        questions=LOSS_QUESTIONS.get(found.verdict, ()),
    )


@dataclass(frozen=True, eq=False)
class _Losses:
    """The losses of the parts with targets and the reported value; how far each may be rounded."""

    values: Vector
    reported: float
    rounding: Vector
    tolerance: float  # of the reported value

    @classmethod
    def checked(
        cls, values: object, counts: object, reported: object, decimals: object
    ) -> tuple["_Losses", Vector]:
        """Return them, checked, and the counts of all parts."""
        listed = in_order("values must be a sequence of numbers, one per part", values)
        K = len(listed)
        found = numbers("values", listed, K)
        if not K:
            raise ValueError("values must hold at least one loss, but it is empty")
        n = checked_counts("counts", counts, K)
        total = number("reported", reported)
        if not np.isfinite(total):
            raise ValueError(f"reported must be finite, not {total:g}")
        for k in np.flatnonzero(~np.isfinite(found) & (n > 0)):
            raise ValueError(
                f"values must be finite, but values[{k}] is {found[k]:g}: has it no target? "
                "Then its mean is 0/0; with a count of 0 it is left out"
            )
        places = _checked_decimals(decimals)
        own, whole = found[n > 0], np.array([total])
        tolerance = float(_rounding(whole, places)[0])
        return cls(own, total, _rounding(own, places), tolerance), n


@dataclass(frozen=True, eq=False)
class _Known:
    """Something that loops report, and its value for these losses."""

    verdict: Verdict
    name: str  # of the weighting
    weights: Vector
    factor: float  # before the power, that is: factor × mean
    power: str  # "", "exp of" the mean, or the mean "of exp"
    value: float
    unsure: float

    def fits(self, losses: _Losses, times: float = 1.0) -> bool:
        """Tell whether the reported value can be this one.

        A perplexity that is not known to its own size could be any.
        """
        if self.power and not self.unsure < self.value:
            return False
        return abs(losses.reported - self.value) <= times * (self.unsure + losses.tolerance)


def _case(parts: Parts, weights: Vector | None) -> Case:
    """Return the case: these weights, or none that could be read."""
    K = len(parts.expected)
    values = np.zeros(K) if weights is None else weights
    return Case(directly_read(values, 0.0, np.full(K, weights is None)), parts)


def _known(case: Case, losses: _Losses) -> Iterator[_Known]:
    """Yield what loops report, what is likelier first: the right mean, then the mean of means."""
    named = named_weightings(case)
    for verdict, name, weights in named:
        right = name == "expected"
        yield _mean(losses, Verdict.EXACT if right else verdict, name, weights)
    for verdict, name, weights in named[:2]:
        for factor in _factors(case):
            yield _mean(losses, verdict, name, weights, factor)
    yield from _without_parts(case, losses)
    for verdict, name, weights in named:
        right = name == "expected"
        yield _mean(losses, Verdict.EXACT if right else verdict, name, weights, power="exp of")
        yield _mean(losses, Verdict.NOT_A_MEAN, name, weights, power="of exp")


def _factors(case: Case) -> Iterator[float]:
    K = float(len(case.expected))
    yield from (K, 1 / K)
    if case.parts.groups is not None:
        W = float(len(set(case.parts.groups)))
        yield from (W, 1 / W)
    if case.counts is not None:
        yield float(case.counts.sum())


def _without_parts(case: Case, losses: _Losses) -> Iterator[_Known]:
    """Yield the last part alone, and what is left without it."""
    K = len(case.expected)
    if K < 2:
        return
    last = np.arange(K) == K - 1
    yield _mean(losses, Verdict.DROPPED, "last", last.astype(float))
    for name, weights in (("but the last", case.expected), ("alike but the last", np.ones(K))):
        rest = np.where(last, 0.0, weights)
        if abs(rest.sum()) > _FLOAT32 * np.abs(rest).sum():  # otherwise, there is no mean of them
            yield _mean(losses, Verdict.DROPPED, name, rest / rest.sum())


def _mean(
    losses: _Losses,
    verdict: Verdict,
    name: str,
    weights: Vector,
    factor: float = 1.0,
    power: str = "",
) -> _Known:
    values, rounding = losses.values, losses.rounding
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite fits nothing
        if power == "of exp":
            values, rounding = np.exp(values), np.exp(values) * rounding
        mean, unsure = (
            factor * float(weights @ values),
            abs(factor) * float(abs(weights) @ rounding),
        )
        if power == "exp of":
            mean, unsure = float(np.exp(mean)), float(np.exp(mean)) * unsure
    return _Known(verdict, name, weights, factor, power, mean, unsure)


def _decide(case: Case, losses: _Losses, known: list[_Known]) -> tuple[Finding, _Known | None]:
    """Return the finding, and what the reported value is; None if that is open."""
    fitting = [one for one in known if np.isfinite(one.value) and one.fits(losses)]
    if len(case.expected) == 1 and fitting:
        return Finding(Verdict.AMBIGUOUS, note("one loss")), None
    for one in fitting:
        if one.verdict is Verdict.EXACT:
            return _right(case, losses, one, fitting)
    if fitting:
        one = fitting[0]
        claim = _claim(case, one)
        others = tuple(_claim(case, other) for other in fitting[1:] if other.value != one.value)
        notes = tuple(note("also reported", claim=other) for other in others)
        return Finding(one.verdict, claim, one.factor, notes), one
    if known[0].fits(losses, _NEAR):
        return Finding(
            Verdict.AMBIGUOUS, note("nearly reported", tolerance=_within(losses, known[0]))
        ), None
    lowest = (losses.values - losses.rounding).min() - losses.tolerance
    highest = (losses.values + losses.rounding).max() + losses.tolerance
    if lowest <= losses.reported <= highest:
        return Finding(Verdict.REWEIGHTED, note("reported inside")), None
    return Finding(Verdict.UNEXPLAINED, note("reported outside")), None


def _right(
    case: Case, losses: _Losses, right: _Known, fitting: list[_Known]
) -> tuple[Finding, _Known | None]:
    """Call it right, unless a mistake that is often made would have looked the same."""
    means = {Verdict.MEAN_OF_MEANS, Verdict.MEAN_OF_GROUP_MEANS, Verdict.NOT_A_MEAN}
    alike = [
        one
        for one in fitting
        if one.verdict in means and one.factor == 1.0 and (right.power or not one.power)
    ]
    if alike:
        apart = max(abs(one.value - right.value) for one in alike)
        claim = note("too close", apart=apart, tolerance=_within(losses, right))
        notes = tuple(note("also reported", claim=_claim(case, one)) for one in alike)
        return Finding(Verdict.AMBIGUOUS, claim, notes=notes), None
    even = np.array(1 / len(case.expected))
    equal = case.parts.intended == "target" and case.same(case.expected, even)
    notes = (note("equal counts"),) if equal else ()
    return Finding(Verdict.EXACT, _claim(case, right), notes=notes), right


def _claim(case: Case, one: _Known) -> Note:
    return note(
        "reported",
        weighting=one.name,
        factor=one.factor,
        power=one.power,
        intended=case.parts.intended,
    )


def _within(losses: _Losses, one: _Known) -> float:
    return one.unsure + losses.tolerance


def _details(losses: _Losses, known: list[_Known], said: _Known | None) -> str:
    """Say how far the reported value is from what it should be: a loss, or a perplexity."""
    power = "exp of" if said is not None and said.power else ""
    right = next(one for one in known if one.name == "expected" and one.power == power)
    text = f"Reported {digits(losses.reported)}, right {digits(right.value)}"
    if not right.fits(losses) and right.value:
        off = abs(losses.reported - right.value) / abs(right.value)
        text += f": {digits(100 * off)}% off"
    return f"{text}. Numbers are known to ± {digits(_within(losses, right), 2)}."


def _rounding(values: Vector, decimals: int | None) -> Vector:
    """Return how far each value may be rounded: by their decimals, their type, or a sum's."""
    shown = max(map(_decimals, values)) if decimals is None else decimals
    rounding = np.maximum(0.5 * 10.0**-shown, _FLOAT32 * np.abs(values))
    bits = next((bits for bits in _HALF_BITS if _fits(values, bits)), None)
    if bits is None or decimals is not None:
        return rounding
    return np.maximum(rounding, 2.0 ** (np.frexp(values)[1] - bits - 1))


def _decimals(value: float) -> int:
    """Return how many decimals a number shows, at least one: 2.0 may stand for 2 or for 2.04."""
    with np.errstate(over="ignore"):
        narrow = np.float32(value)
    exact = value if float(narrow) != value else narrow
    return max(len(np.format_float_positional(exact, trim="-").partition(".")[2]), 1)


def _fits(values: Vector, bits: int) -> bool:
    """Tell whether all numbers are as they would be after rounding to so many bits."""
    mantissas, _ = np.frexp(values)
    scaled = mantissas * 2.0**bits
    return bool(np.all(scaled == np.round(scaled)))


def _checked_decimals(decimals: object) -> int | None:
    if decimals is None:
        return None
    if isinstance(decimals, bool) or not isinstance(decimals, int):
        raise TypeError(f"decimals must be an integer or None, not {type(decimals).__name__}")
    if not 0 <= decimals <= 15:
        raise ValueError(f"decimals must be from 0 to 15, not {decimals}")
    return decimals
