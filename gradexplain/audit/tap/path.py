"""By which factor each backward pass reached the optimizer: A = Σ cₖ addedₖ, solved for c.

Nothing happened on the way if every cₖ is 1, or 1/W after an average over W workers. What each
pass added and what the optimizer was handed come as sketches, a row for each parameter.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_FLOOR = 2e-6  # of the sketches' own arithmetic
_FAR = 1e100  # from what is not there
_COARSE = 1e-3  # a rounding from which on it is compared with the running sums: bfloat16's
_ROUNDINGS = 2.0  # times the root mean square of a running sum's roundings, at most
_LEAST = 0.02  # a smaller share of a factor is left to rounding
_SURE = 8.0  # times its standard error, one factor among many is off
_CLEARLY = 2.0  # times as much is left: other factors explain the gradient better
_NEARLY = 1.5  # times as much is left: they explain it as well
_ROUNDS = 5  # of leaving out the parameters that fit worst


@dataclass(frozen=True, eq=False)
class Sketches:
    """What P passes added to T parameters, in sketches of m numbers."""

    names: tuple[str, ...]
    added: Array  # (P, T, m)
    held: Array  # (T, m), what the gradients held when the window opened
    handed: Array  # (T, m)
    unit: float  # of the gradients' arithmetic
    norms: Array | None = None  # (P + 2, T), of all gradients; without, as long as their sketches

    @property
    def sizes(self) -> tuple[Array, Array, Array]:
        """Return how large what was added, held and handed over is: rows of a tensor may cancel."""
        found = np.concatenate([self.added, self.held[None], self.handed[None]])
        sizes = sizes_of(found)
        sizes = sizes if self.norms is None else np.maximum(sizes, self.norms)
        return sizes[:-2], sizes[-2], sizes[-1]

    @functools.cached_property
    def change(self) -> Array:
        """How far each pass's gradients are from the nearest ones of a pass before, (P, T)."""
        by_name = self.added.transpose(1, 0, 2)
        products = by_name @ by_name.transpose(0, 2, 1)
        squares = np.diagonal(products, axis1=1, axis2=2)
        apart = squares[:, :, None] + squares[:, None, :] - 2 * products
        before = np.tri(len(self.added), k=-1, dtype=bool)
        nearest = np.where(before, apart, _FAR**2).min(-1, initial=_FAR**2)
        return np.sqrt(np.maximum(nearest, 0)).T

    def only(self, rows: npt.NDArray[np.bool_]) -> "Sketches":
        """Return some of the parameters."""
        names = tuple(name for name, kept in zip(self.names, rows, strict=True) if kept)
        norms = None if self.norms is None else self.norms[:, rows]
        held, handed = self.held[rows], self.handed[rows]
        return Sketches(names, self.added[:, rows], held, handed, self.unit, norms)


@dataclass(frozen=True, eq=False)
class Stray:
    """Parameters whose gradients reached the optimizer with other factors."""

    names: tuple[str, ...]
    factors: Array | None  # (P,); None if no factors explain them
    remainder: float


@dataclass(frozen=True, eq=False)
class Route:
    """The factors c, and what they leave."""

    factors: Array  # (P,)
    uncertainty: Array  # (P,); infinite where passes look alike
    held: float  # the factor of what the gradients held before
    remainder: float  # the largest share of a parameter's gradient that the factors leave
    tolerance: float  # how much of it rounding explains
    strays: tuple[Stray, ...] = ()
    hidden: float = 0.0  # by which share one pass's factor could be off, and rounding would hide it


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
    tolerance = 2 * sketches.unit * (passes + 1) ** 0.5 + _FLOOR
    others = _Others(sketches, tolerance, guesses, turn)
    for c in _clipped(clips, guesses):
        left = _left(sketches, c, 0.0)
        plain = _left(sketches, np.full(passes, c[-1]), 0.0)
        if _fits(sketches, c, left, tolerance) and (left**2).sum() < (plain**2).sum():
            return Route(c, 0 * c, 0.0, float(left.max()), tolerance)
    for allowed in (tolerance, max(tolerance, coarse)):
        for first in sorted(set(turn.tolist())):
            kept = turn >= first
            for guess in (*guesses, _common(sketches, kept)):
                c = guess * kept
                left = _left(sketches, c, 0.0)
                most = float(left.max(initial=0.0))
                if _fits(sketches, c, left, allowed) and not others.beat(c, left):
                    unsure = 0.0 if guess in guesses else abs(guess) * allowed
                    hidden = others.hidden(c)
                    return Route(c, unsure * kept, 0.0, most, allowed, hidden=hidden)
    return (
        others.nearly_simple
        or _apart(sketches, guesses, turn, tolerance)
        or _fitted(sketches, tolerance, (0.0, *guesses))
    )


def _clipped(clips: Sequence[float], guesses: Sequence[float]) -> Iterator[Array]:
    """Yield the factors that follow from clips of the running sum, between passes."""
    between = np.array([*clips[:-1], 1.0])
    if np.any(between != 1):
        for guess in guesses:
            yield guess * np.cumprod(between[::-1])[::-1]


def _fits(sketches: Sketches, c: Array, left: Array, allowed: float) -> bool:
    """Tell whether rounding explains what these factors leave."""
    most = float(left.max(initial=0.0))
    return most <= allowed and bool(np.all(left <= _allowed(sketches, c, allowed)))


def _allowed(sketches: Sketches, c: Array, most: float) -> Array:
    """Return how much of each parameter's gradient rounding may leave, at most so much, (T,).

    In coarse arithmetic the share of all that went in says little: the gradients of many passes
    point in many directions, and what is rounded is their sum so far. Roundings add up as a random
    walk does, but for passes that repeat an earlier one, which are rounded alike.
    """
    if sketches.unit < _COARSE or most > 2 * sketches.unit * (len(c) + 1) ** 0.5 + _FLOOR:
        return np.full(len(sketches.names), most)
    sums = _running(sketches, c)
    added, _, handed = sketches.sizes
    own = np.abs(c)[:, None] * added
    alike = np.abs(c)[:, None] * sketches.change < 2 * sketches.unit * sums
    walked = np.sqrt((sums**2).sum(0) + 2 * handed**2)
    repeated = (np.minimum(sketches.unit * sums, own) * alike).sum(0)
    found = (_ROUNDINGS * sketches.unit * walked + repeated) / _scale(sketches, c, 0.0)
    return np.minimum(found + _FLOOR, most)


def _running(sketches: Sketches, c: Array) -> Array:
    """Return how large each parameter's sum is after each pass, (P, T): rows may cancel in it."""
    added, _, handed = sketches.sizes
    sizes = np.concatenate([added, handed[None]])
    short = sizes_of(np.concatenate([sketches.added, sketches.handed[None]]))
    times = (sizes / np.where(short > 0, short, np.inf)).max(0, initial=1.0)
    return sizes_of(np.cumsum(c[:, None, None] * sketches.added, axis=0)) * times


class _Others:
    """Factors that are not simple; computed only if simple ones leave more than rounding does."""

    def __init__(
        self,
        sketches: Sketches,
        tolerance: float,
        guesses: Sequence[float],
        turn: npt.NDArray[np.int_],
    ) -> None:
        self._sketches, self._tolerance = sketches, tolerance
        self._guesses, self._turn = guesses, turn

    def beat(self, c: Array, left: Array) -> bool:
        """Tell whether other factors leave far less, and differ by more than rounding explains."""
        much = _root_mean_square(left)
        if much <= _FLOOR:
            return False
        guessed = any(c[-1] == guess for guess in self._guesses)
        most = self._tolerance * np.abs(c).max() if guessed else 0.0
        if self.nearly_simple is not None:
            found = self.nearly_simple.factors
            clearly = much > _CLEARLY * self._left_by(found, 0.0) or self._stands_out(found)
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
            square = _positive((columns**2).sum(1))[best]
            unsure = 4 * float(np.sqrt((off**2).mean() / square))
            factor = _snapped(
                guess + float(steps[best]), max(unsure, self._tolerance), (0.0, guess)
            )
            mask = self._masks[best]
            found.append((np.where(mask, factor, guess), mask * unsure))
        c, uncertainty = min(found, key=lambda one: self._left_by(one[0], 0.0))
        left = _left(self._sketches, c, 0.0)
        fits = self._left_by(c, 0.0) <= _NEARLY * self._least + _FLOOR
        fits = fits and _fits(self._sketches, c, left, self._tolerance)
        return (
            Route(c, uncertainty, 0.0, float(left.max(initial=0.0)), self._tolerance)
            if fits
            else None
        )

    @functools.cached_property
    def _masks(self) -> npt.NDArray[np.bool_]:
        """All passes before some turn, and each pass by itself."""
        firsts = [self._turn < first for first in sorted(set(self._turn.tolist()))[1:]]
        return np.array([*firsts, *np.eye(len(self._turn), dtype=bool)])

    def _steps(self, c: Array) -> tuple[Array, Array, Array]:
        """Return by how much the factors of each mask seem off, what is left, and the masks' sums.

        Each parameter counts alike.
        """
        scale = 1 / _positive(self._sketches.sizes[0].sum(0))[:, None]
        added = (self._sketches.added * scale).reshape(len(c), -1)
        left = (self._sketches.handed * scale).ravel() - c @ added
        columns = self._masks @ added
        return columns @ left / _positive((columns**2).sum(1)), left, columns

    def _stands_out(self, c: Array) -> bool:
        """Tell whether even coarse arithmetic shows that the factors of one mask differ."""
        if self._sketches.unit < _COARSE:
            return False
        guess = min(self._guesses, key=lambda one: int((c != one).sum()))
        masks = np.flatnonzero((self._masks == (c != guess)).all(1))
        off = float(np.abs(c - guess).max())
        return bool(np.any(off > self._least_seen(np.full(len(c), guess))[masks]))

    def hidden(self, c: Array) -> float:
        """Return by which share the factor of one pass could be off, and rounding would hide it."""
        if self._sketches.unit < _COARSE:
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
        error = np.sqrt((columns**2 * off**2).sum(1)) / _positive((columns**2).sum(1))
        added = self._sketches.sizes[0]
        rounded = self._sketches.unit * _running(self._sketches, c) / _positive(added)
        energy = (added / _positive(added.sum(0))) ** 2
        lost = self._masks @ (energy * np.minimum(4 * rounded**2, 1)).sum(1)
        lost = lost / _positive(self._masks @ energy.sum(1))
        return _SURE * error + (_LEAST + lost) * np.abs(c).max()

    @functools.cached_property
    def _free(self) -> tuple[Array, float, Array]:
        return _solved(self._sketches, (0.0,))

    @property
    def _least(self) -> float:
        """What is left with a factor for each pass, corrected for what they fit by chance."""
        numbers = int((self._sketches.added != 0).any(0).sum())
        spare = numbers - len(self._turn) - 1
        least = self._left_by(*self._free[:2]) * max(numbers / max(spare, 1), 1.0) ** 0.5
        return least if 2 * spare > numbers else np.inf

    def _left_by(self, c: Array, held: float) -> float:
        return _root_mean_square(_left(self._sketches, c, held))


def _snapped(value: float, unsure: float, near: Sequence[float]) -> float:
    return next((one for one in near if abs(value - one) <= unsure), value)


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt((values**2).mean())) if values.size else 0.0


def _apart(
    sketches: Sketches, guesses: Sequence[float], turn: npt.NDArray[np.int_], tolerance: float
) -> Route | None:
    """Return simple factors of most parameters, and those of each other one, in coarse arithmetic.

    Its roundings hide too much to fit a factor to each pass.
    """
    if sketches.unit < _COARSE:
        return None
    for guess in guesses:
        c = np.full(len(turn), guess)
        off = _left(sketches, c, 0.0) > _allowed(sketches, c, tolerance)
        if 0 < off.mean() <= 1 / 2:
            found = route(sketches.only(~off), guesses, 0.0, turn.tolist())
            alone = [sketches.only(np.arange(len(off)) == t) for t in np.flatnonzero(off)]
            routes = [route(one, guesses, 0.0, turn.tolist()) for one in alone]
            strays = [
                Stray(one.names, None if lost else each.factors, each.remainder)
                for one, each in zip(alone, routes, strict=True)
                for lost in [each.remainder > tolerance or bool(each.held)]
            ]
            return replace(found, strays=(*found.strays, *strays))
    return None


def _fitted(sketches: Sketches, tolerance: float, near: Sequence[float]) -> Route:
    """Fit a factor to each pass, by the parameters that agree; tell where the others differ."""
    kept = np.ones(len(sketches.names), dtype=bool)
    for _ in range(_ROUNDS):
        c, held, uncertainty = _solved(sketches.only(kept), near)
        left = _left(sketches, c, held)
        fit = left <= max(tolerance, float(np.median(left)))
        if np.array_equal(fit, kept):
            break
        kept = fit
    off = left > tolerance
    if off.mean() > 1 / 2:
        return Route(c, uncertainty, held, float(left.max()), tolerance)
    inside = float(left[~off].max(initial=0.0))
    strays = _strays(sketches, off, tolerance, near)
    return Route(c, uncertainty, held, inside, tolerance, strays)


def _strays(
    sketches: Sketches, off: npt.NDArray[np.bool_], tolerance: float, near: Sequence[float]
) -> tuple[Stray, ...]:
    """Solve each parameter separately, and put together those that read the same."""
    found: list[Stray] = []
    for t in np.flatnonzero(off):
        alone = sketches.only(np.arange(len(off)) == t)
        factors, held, _ = _solved(alone, near)
        remainder = float(_left(alone, factors, held)[0])
        same = [
            k
            for k, one in enumerate(found)
            if one.factors is not None and _same(one.factors, factors)
        ]
        if remainder > tolerance or held:
            found.append(Stray(alone.names, None, remainder))
        elif same:
            one = found[same[0]]
            found[same[0]] = replace(one, names=one.names + alone.names)
        else:
            found.append(Stray(alone.names, factors, remainder))
    return tuple(found)


def _same(one: Array, other: Array) -> bool:
    return bool(np.allclose(one, other, rtol=1e-3, atol=1e-6 * float(np.abs(one).max())))


def _solved(sketches: Sketches, near: Sequence[float]) -> tuple[Array, float, Array]:
    """Return the factors of least squares, that of what was held, and how sure the factors are.

    Each parameter counts alike. Factors that the sketches can't tell apart stay near each other.
    """
    passes, m = len(sketches.added), sketches.handed.shape[-1]
    added, before, _ = sketches.sizes
    scale = 1 / _positive(added.sum(0) + before)
    columns = np.concatenate([sketches.added, sketches.held[None]]) * scale[:, None]
    columns = columns.reshape(passes + 1, -1).T
    target = (sketches.handed * scale[:, None]).ravel()
    start = np.append(np.full(passes, _common(sketches, np.ones(passes, dtype=bool))), 0.0)
    length = _positive(np.sqrt((columns**2).sum(0)))
    u, s, v = np.linalg.svd(columns / length, full_matrices=False)
    told = s > max(s.max(initial=0.0), 1.0) * max(sketches.unit, _FLOOR)
    solved = v[told].T @ ((u[:, told].T @ (target - columns @ start)) / s[told]) / length
    unknown = 1 - (v[told] ** 2).sum(0) > 1e-6
    found = start + solved
    size = float(np.abs(found).max(initial=0.0))
    left = target - columns @ found
    noise = max(np.sqrt(float(left @ left) / len(left)), sketches.unit * size / m**0.5)
    spread = np.sqrt(((v[told].T / s[told]) ** 2).sum(1)) / length * noise
    uncertainty = np.where(unknown, np.inf, 4 * spread)
    for value in near:
        close = np.abs(found - value) <= np.maximum(uncertainty, 1e-6 * size)
        found = np.where(close & np.isfinite(uncertainty), value, found)
    held = float(found[-1]) if sketches.held.any() else 0.0
    return found[:-1], held, uncertainty[:-1]


def _common(sketches: Sketches, kept: npt.NDArray[np.bool_]) -> float:
    """Return the factor that comes closest, if it is one for all of some passes."""
    added = sketches.added[kept].sum(0)
    scale = 1 / _positive(sketches.sizes[0][kept].sum(0)) ** 2
    across = float(((added * sketches.handed).sum(-1) * scale).sum())
    return across / max(float(((added**2).sum(-1) * scale).sum()), 1e-300)


def _left(sketches: Sketches, c: Array, held: float) -> Array:
    """Return the share of each parameter's gradient that the factors leave, (T,)."""
    left = sketches.handed - np.tensordot(c, sketches.added, 1) - held * sketches.held
    return sizes_of(left) / _scale(sketches, c, held)


def _scale(sketches: Sketches, c: Array, held: float) -> Array:
    """Return the size of all that went into each parameter's gradient, (T,)."""
    added, before, handed = sketches.sizes
    return _positive(np.maximum(np.abs(c) @ added + abs(held) * before, handed))


def sizes_of(sketches: Array) -> Array:
    """Return the sketches' norms."""
    return np.sqrt((sketches**2).sum(-1))


def _positive(values: Array) -> Array:
    return np.where(values > 0, values, 1.0)
