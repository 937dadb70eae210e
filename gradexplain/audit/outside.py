"""Where no weights give A: do they in each parameter by itself, or with a known extra term?"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradexplain.audit.candidates import candidates
from gradexplain.audit.case import Case, Finding, Verdict, digits, places
from gradexplain.audit.gram import Vector
from gradexplain.audit.weights import Reading

Decide = Callable[[Case], Finding]


def strays(case: Case) -> list[str]:
    """Name the parameters that are off by themselves, though A as a whole may seem right.

    A fault of one parameter is a matter of its size, not of its rounding, so it has to show by 30
    times its own tolerance, or by a tenth; and by one rounding of the whole, which is all that is
    left of some gradients, such as those of biases before a normalisation.
    """
    return [
        n for n, part in case.parameters if _off(case, part.accumulated.distance(part.right), part)
    ]


def uneven(case: Case, decide: Decide) -> Finding | None:
    """Decide each parameter by itself; one that is too small to be told follows the others."""
    if len(case.parameters) < 2:
        return None
    found = {name: (part, decide(part)) for name, part in case.parameters}
    off, readings = strays(case), {}
    for name, (part, finding) in found.items():
        unclear = finding.verdict is Verdict.AMBIGUOUS and name in off
        foreign = finding.verdict in {Verdict.UNEXPLAINED, Verdict.EXTRA_TERM}
        if unclear or (foreign and _off(case, part.accumulated.outside, part)):
            return None
        if finding.verdict is not Verdict.AMBIGUOUS and not foreign:
            readings[name] = _reading(finding)
    if len(set(readings.values())) < 2:
        return None
    says = "Each parameter is a weighted sum of the parts, but not all by the same weights."
    return Finding(Verdict.UNEVEN, says, parameters=tuple(readings.items()))


def extra_term(case: Case) -> Finding | None:
    """Explain A by the extra columns, over all parameters at once or in each by itself."""
    if case.extended is None:
        return None
    everywhere = _with_extras(case, case.extended)
    if everywhere is not None:
        coefficients, weighting = everywhere
        return Finding(Verdict.EXTRA_TERM, _sum_of(case, coefficients, weighting))
    each = {n: _with_extras(part, part.extended) for n, part in case.parameters if part.extended}
    if not each or None in each.values():
        return None
    lines = tuple((name, _sum_of(case, *terms)) for name, terms in each.items() if terms)
    says = "Each parameter is the mean of the parts plus its own multiple of the extra columns."
    return Finding(Verdict.EXTRA_TERM, says, parameters=lines)


def too_short(case: Case) -> Finding | None:
    """Say so where A may hold parts that are shorter than the rounding of the others."""
    A = replace(case.accumulated, keen=True)
    short = np.flatnonzero(~case.accumulated.visible)
    if not short.size or A.outside > A.outer:
        return None
    says = f"A may hold {places(short)}, but beside the other parts they are too short to tell."
    return Finding(Verdict.AMBIGUOUS, says)


def unexplained(case: Case) -> Finding:
    """Say where the part of A lies that no weights give."""
    says = "A is no weighted sum of the parts: something else was added, or the parts are not those"
    says += " that were accumulated. The weights below come closest."
    notes = []
    off = strays(case)
    if case.known.sketched is not None:
        notes.append("on sketches the weights below are not to be trusted: audit full gradients")
    elif 0 < len(off) < len(case.parameters):
        listed = ", ".join(off[:3]) + (", …" if len(off) > 3 else "")
        notes.append(f"{len(off)} of {len(case.parameters)} parameters are off: {listed}")
    return Finding(Verdict.UNEXPLAINED, says, notes=tuple(notes))


def _off(case: Case, distance: float, part: Case) -> bool:
    whole, A = case.accumulated, part.accumulated
    return distance > max(A.outer, min(30 * A.outer, A.scale / 10), whole.unit * whole.scale)


def _with_extras(case: Case, extended: Reading | None) -> tuple[Vector, str] | None:
    """Return the extras' coefficients and what the parts' weights then are."""
    if extended is None or extended.outside > extended.outer:
        return None
    K = len(case.right)
    coefficients = extended.weights[K:]
    named = [(text, weights) for _, text, weights in candidates(case)]
    for text, weights in named:
        if extended.fits(np.concatenate([weights, coefficients])):
            return coefficients, text
    for text, weights in named:
        length = weights @ extended.gram[:K, :K] @ weights
        s = float(extended.weights[:K] @ extended.gram[:K, :K] @ weights / length) if length else 0
        if extended.fits(np.concatenate([s * weights, coefficients])):
            return coefficients, f"{text}, times {digits(s)}"
    return coefficients, "weighs the parts in another way"


def _sum_of(case: Case, coefficients: Vector, weighting: str) -> str:
    terms = [f"{digits(c)} × {n}" for n, c in zip(case.extras, coefficients, strict=True)]
    return f"But for extra columns, A {weighting}; it holds {' and '.join(terms)}."


def _reading(finding: Finding) -> str:
    times = "" if finding.factor == 1.0 else f", times {digits(finding.factor)}"
    return finding.verdict.value + times
