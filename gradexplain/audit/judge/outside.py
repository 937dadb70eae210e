"""What lies outside the parts' span: parameters that are off, and known extra terms."""

import numpy as np

from gradexplain.audit.judge.case import Case, Extended, Finding, Note, Verdict, note
from gradexplain.audit.judge.weightings import named_weightings
from gradexplain.audit.judge.weights import Vector


def strays(case: Case) -> list[str]:
    """Name the parameters that are off by themselves, though A as a whole may seem right.

    Such a fault shows by its size, not by its rounding: see `Evidence.stray`.
    """
    return [name for name, part in case.parameters() if is_off(part, _distance(part))]


def is_off(part: Case, distance: float) -> bool:
    """Tell whether one parameter's A is too far from something to be rounding."""
    return part.evidence is not None and distance > part.evidence.stray


def unexplained(case: Case) -> Finding:
    """Say that A contains something that no weights of the parts explain, and where."""
    notes, off, evidence = [], strays(case), case.evidence
    names = [name for name, _ in case.parameters()]
    if evidence is not None and evidence.sketched:
        notes.append(note("sketched outside"))
    elif 0 < len(off) < len(names):
        shown = ", ".join(off[:3]) + (", …" if len(off) > 3 else "")
        notes.append(note("parameters off", names=shown, off=len(off), of=len(names)))
    if case.beyond and case.weights.fits(case.expected):
        notes.append(note("right inside"))
    return Finding(Verdict.UNEXPLAINED, note("unexplained"), notes=tuple(notes))


def extra_term(case: Case) -> Finding | None:
    """Explain A by the extra columns, over all parameters at once or in each by itself."""
    extended = case.evidence and case.evidence.extended
    if not extended:
        return None
    everywhere = _with_extras(case, extended)
    if everywhere is not None:
        return Finding(Verdict.EXTRA_TERM, everywhere)
    lines = []
    for name, part in case.parameters():
        found = part.evidence and part.evidence.extended
        terms = _with_extras(part, found) if found else None
        if terms is None:
            return None
        lines.append((name, Finding(Verdict.EXTRA_TERM, terms)))
    if not lines:
        return None
    return Finding(Verdict.EXTRA_TERM, note("extra by parameter"), parameters=tuple(lines))


def _distance(part: Case) -> float:
    """Return ‖A − Σ rₖ gₖ‖ in the metric of the weights."""
    outside = part.evidence.outside if part.evidence else 0.0
    return float(np.hypot(outside, part.weights.size(part.weights.values - part.expected)))


def _with_extras(case: Case, extended: Extended) -> Note | None:
    """Return the columns' coefficients, and what the parts' weights are beside them."""
    if extended.outside > extended.outer:
        return None
    K, read = len(case.expected), extended.weights
    coefficients = read.values[K:]
    columns = tuple(zip(extended.names, coefficients.tolist(), strict=True))
    named = named_weightings(case)
    for _, name, weights in named:
        if read.fits(np.concatenate([weights, coefficients])):
            return note("extra", columns=columns, weighting=name, factor=1.0)
    for _, name, weights in named:
        s = _multiple(extended, weights)
        if read.fits(np.concatenate([s * weights, coefficients])):
            return note("extra", columns=columns, weighting=name, factor=s)
    return note("extra", columns=columns, weighting="other", factor=1.0)


def _multiple(extended: Extended, weights: Vector) -> float:
    """Return s for which s times these weights come closest to the parts' share of A."""
    K = len(weights)
    metric, values = extended.weights.metric[:K, :K], extended.weights.values[:K]
    length = float(weights @ metric @ weights)
    return float(values @ metric @ weights) / length if length else 0.0
