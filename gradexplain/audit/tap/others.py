"""Factors that are not simple, where simple ones leave more than rounding does."""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gradexplain.audit.tap.fitted import Route, solved
from gradexplain.audit.tap.rounding import COARSE, fits
from gradexplain.audit.tap.sketches import FLOOR, Array, Sketches, positive

_LEAST = 0.02  # a smaller share of a factor is left to rounding
_SURE = 8.0  # times its standard error, one factor among many is off
_CLEARLY = 2.0  # times as much is left: other factors explain the gradient better
_NEARLY = 1.5  # times as much is left: they explain it as well


class Others:
    """Factors that are not simple; computed only if simple ones leave more than rounding does."""

    def __init__(
        self, sketches: Sketches, guesses: Sequence[float], turn: npt.NDArray[np.int_]
    ) -> None:
        """Compare with some guesses; `turn` is each pass's place among those of its worker."""
        self._sketches, self._guesses, self._turn = sketches, guesses, turn

    def beat(self, c: Array, left: Array) -> bool:
        """Tell whether other factors leave far less, and differ by more than rounding explains."""
        much = _root_mean_square(left)
        if much <= FLOOR:
            return False
        guessed = any(c[-1] == guess for guess in self._guesses)
        most = self._sketches.tolerance * np.abs(c).max() if guessed else 0.0
        if self.nearly_simple is not None:
            found = self.nearly_simple.factors
            clearly = much > _CLEARLY * self._left_by(found) or self._stands_out(found)
            return bool(clearly and np.abs(found - c).max() > most)
        free, held, unsure = self._free
        clearly = much > _CLEARLY * self._least
        return bool(clearly and (held or (np.abs(free - c) - unsure).max() > most))

    @functools.cached_property
    def nearly_simple(self) -> Route | None:
        """A guess for all passes but one, or for all from some turn on, if that fits as well.

        Coarse arithmetic does not tell the factors of many passes one by one.
        """
        found = []
        for guess in self._guesses:
            steps, left, columns = self._steps(np.full(len(self._turn), guess))
            best = int(np.argmin(((left - steps[:, None] * columns) ** 2).sum(1)))
            off = left - steps[best] * columns[best]
            square = positive((columns**2).sum(1))[best]
            unsure = 4 * float(np.sqrt((off**2).mean() / square))
            allowed = max(unsure, self._sketches.tolerance * guess)
            factor = _snapped(guess + float(steps[best]), allowed, (0.0, guess))
            mask = self._masks[best]
            found.append((np.where(mask, factor, guess), mask * unsure))
        c, uncertainty = min(found, key=lambda one: self._left_by(one[0]))
        left, tolerance = self._sketches.left(c), self._sketches.tolerance
        as_good = self._left_by(c) <= _NEARLY * self._least + FLOOR
        if not as_good or not fits(self._sketches, c, left, tolerance):
            return None
        return Route(c, uncertainty, 0.0, float(left.max(initial=0.0)), tolerance)

    @functools.cached_property
    def _masks(self) -> npt.NDArray[np.bool_]:
        """All passes before some turn, and each pass by itself."""
        firsts = [self._turn < first for first in sorted(set(self._turn.tolist()))[1:]]
        return np.array([*firsts, *np.eye(len(self._turn), dtype=bool)])

    def _steps(self, c: Array) -> tuple[Array, Array, Array]:
        """Return by how much the factors of each mask seem off, what is left, and the masks' sums.

        Each parameter counts alike.
        """
        scale = 1 / positive(self._sketches.sizes[0].sum(0))[:, None]
        added = (self._sketches.added * scale).reshape(len(c), -1)
        left = (self._sketches.handed * scale).ravel() - c @ added
        columns = self._masks @ added
        return columns @ left / positive((columns**2).sum(1)), left, columns

    def _stands_out(self, c: Array) -> bool:
        """Tell whether even coarse arithmetic shows that the factors of one mask differ."""
        if self._sketches.unit < COARSE:
            return False
        guess = min(self._guesses, key=lambda one: int((c != one).sum()))
        masks = np.flatnonzero((self._masks == (c != guess)).all(1))
        off = float(np.abs(c - guess).max())
        return bool(np.any(off > self._least_seen(np.full(len(c), guess))[masks]))

    def hidden(self, c: Array) -> float:
        """Return by which share the factor of one pass could be off, and rounding would hide it."""
        if self._sketches.unit < COARSE:
            return 0.0
        used = c != 0
        seen = self._least_seen(c)[-len(c) :][used] / np.abs(c[used])
        return min(float(seen.max(initial=0.0)), 1.0)

    def _least_seen(self, c: Array) -> Array:
        """Return by how much each mask's factors must be off to stand out.

        What a pass adds is lost in part where it is small beside the sum so far.
        """
        steps, left, columns = self._steps(c)
        off = left - steps[:, None] * columns
        error = np.sqrt((columns**2 * off**2).sum(1)) / positive((columns**2).sum(1))
        added, size = self._sketches.sizes[0], np.abs(c).max()
        rounded = self._sketches.unit * self._sketches.running(c) / positive(size * added)
        energy = (added / positive(added.sum(0))) ** 2
        lost = self._masks @ (energy * np.minimum(4 * rounded**2, 1)).sum(1)
        lost = lost / positive(self._masks @ energy.sum(1))
        return _SURE * error + (_LEAST + lost) * size

    @functools.cached_property
    def _free(self) -> tuple[Array, float, Array]:
        return solved(self._sketches, (0.0,))

    @property
    def _least(self) -> float:
        """What is left with a factor for each pass, corrected for what they fit by chance."""
        numbers = int((self._sketches.added != 0).any(0).sum())
        spare = numbers - len(self._turn) - 1
        least = self._left_by(*self._free[:2]) * max(numbers / max(spare, 1), 1.0) ** 0.5
        return least if 2 * spare > numbers else np.inf

    def _left_by(self, c: Array, held: float = 0.0) -> float:
        return _root_mean_square(self._sketches.left(c, held))


def _snapped(value: float, unsure: float, near: Sequence[float]) -> float:
    return next((one for one in near if abs(value - one) <= unsure), value)


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt((values**2).mean()))
