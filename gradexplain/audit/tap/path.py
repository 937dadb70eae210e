"""By which factor each backward pass reached the optimizer: A = Σ cₖ addedₖ, solved for c.

Nothing happened on the way if every cₖ is 1, or 1/W after an average over W workers. What each
pass added and what the optimizer was handed come as sketches, a row for each parameter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gradexplain.audit.tap.fitted import Route, Stray, fitted
from gradexplain.audit.tap.others import Others
from gradexplain.audit.tap.rounding import COARSE, allowed_by, fits
from gradexplain.audit.tap.sketches import Array, Sketches


def route(
    sketches: Sketches,
    guesses: Sequence[float],
    coarse: float,
    turns: Sequence[int] | None = None,
    clips: Sequence[float] = (),
) -> Route:
    """Return the factors of all passes: simple ones that fit, or else those of least squares.

    Simple are one of the guesses, or any one factor, for every pass, or for all from some turn on:
    the gradients were zeroed before it. They don't fit if others leave far less. If the running sum
    was seen to be clipped between passes, factors that follow from that are simple, too.

    Args:
        sketches: what was added, and what was handed over.
        guesses: factors to expect, the likeliest first.
        coarse: how much may be left over if gradients were sent in a coarser type.
        turns: the place of each pass among those of its worker.
        clips: the factors of clips that were seen after each pass, before the next.
    """
    passes = len(sketches.added)
    turn = np.arange(passes) if turns is None else np.array(turns)
    tolerance = sketches.tolerance
    others = Others(sketches, guesses, turn)
    for c in _clipped(clips, guesses):
        left = sketches.left(c)
        plain = sketches.left(np.full(passes, c[-1]))
        if fits(sketches, c, left, tolerance) and (left**2).sum() < (plain**2).sum():
            return Route(c, 0 * c, 0.0, float(left.max()), tolerance)
    for allowed in (tolerance, max(tolerance, coarse)):
        for first in sorted(set(turn.tolist())):
            kept = turn >= first
            for guess in (*guesses, sketches.common(kept)):
                c = guess * kept
                left = sketches.left(c)
                most = float(left.max())
                if fits(sketches, c, left, allowed) and not others.beat(c, left):
                    unsure = 0.0 if guess in guesses else abs(guess) * allowed
                    hidden = others.hidden(c)
                    return Route(c, unsure * kept, 0.0, most, allowed, hidden=hidden)
    return (
        others.nearly_simple or _apart(sketches, guesses, turn) or fitted(sketches, (0.0, *guesses))
    )


def _clipped(clips: Sequence[float], guesses: Sequence[float]) -> Iterator[Array]:
    """Yield the factors that follow from clips of the running sum, between passes."""
    between = np.array([*clips[:-1], 1.0])
    if np.any(between != 1):
        for guess in guesses:
            yield guess * np.cumprod(between[::-1])[::-1]


def _apart(
    sketches: Sketches, guesses: Sequence[float], turn: npt.NDArray[np.int_]
) -> Route | None:
    """Return simple factors of most parameters, and those of each other one, in coarse arithmetic.

    Its roundings hide too much to fit a factor to each pass.
    """
    if sketches.unit < COARSE:
        return None
    for guess in guesses:
        c = np.full(len(turn), guess)
        off = sketches.left(c) > allowed_by(sketches, c, sketches.tolerance)
        if 0 < off.mean() <= 1 / 2:
            found = route(sketches.only(~off), guesses, 0.0, turn.tolist())
            alone = [sketches.only(np.arange(len(off)) == t) for t in np.flatnonzero(off)]
            routes = [route(one, guesses, 0.0, turn.tolist()) for one in alone]
            strays = [
                Stray(one.names, None if lost else each.factors, each.remainder)
                for one, each in zip(alone, routes, strict=True)
                for lost in [each.remainder > sketches.tolerance or bool(each.held)]
            ]
            return replace(found, strays=(*found.strays, *strays))
    return None
