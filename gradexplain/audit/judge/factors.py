"""Factors that have a name: products and quotients of the numbers that a step knows."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from gradexplain.audit.judge.case import Case, Note, note

_LOSS_SCALES = range(4, 65)  # as powers of two; smaller ones are no surprise
_MOST = 4  # names to give


def factor_names(case: Case, factor: float, uncertainty: float) -> list[Note]:
    """Return the common reasons for a factor, the simplest first."""
    near = max(uncertainty, 1e-6 * abs(factor))
    found = [
        note("factor", name=name, value=value)
        for name, value in sorted(_known(case), key=lambda known: (len(known[0]), known[0]))
        if abs(abs(factor) - value) <= near and value != 1
    ][:_MOST]
    for kind, sign in (("loss scale", 1), ("loss scale undone", -1)):
        found += [
            note(kind, power=power)
            for power in _LOSS_SCALES
            if abs(abs(factor) - 2.0 ** (sign * power)) <= near
        ]
    return [*found, note("sign")] if factor < 0 else found


def _known(case: Case) -> Iterator[tuple[str, float]]:
    """Yield products and quotients of K parts, W groups and n targets, by their names."""
    known = {"K": float(len(case.expected))}
    if case.parts.groups is not None:
        known["W"] = float(len(set(case.parts.groups)))
    if case.counts is not None:
        known["n"] = float(case.counts.sum())
    for powers in product((0, 1, -1), repeat=len(known)):
        if any(powers):
            above = [name for name, power in zip(known, powers, strict=True) if power > 0]
            below = [name for name, power in zip(known, powers, strict=True) if power < 0]
            value = np.prod([known[n] for n in above]) / np.prod([known[n] for n in below])
            yield _fraction(above, below), float(value)


def _fraction(above: list[str], below: list[str]) -> str:
    over = "·".join(above) or "1"
    if not below:
        return over
    return f"{over}/{below[0]}" if len(below) == 1 else f"{over}/({'·'.join(below)})"
