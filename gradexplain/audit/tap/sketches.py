"""What each backward pass added to each parameter, in sketches, and what factors leave of it."""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FLOOR = 2e-6  # of the sketches' own arithmetic
_FAR = 1e100  # from what is not there


@dataclass(frozen=True, eq=False)
class Sketches:
    """What P passes added to T parameters, in sketches of m numbers."""

    names: tuple[str, ...]
    added: Array  # (P, T, m)
    held: Array  # (T, m), what the gradients held when the window opened
    handed: Array  # (T, m)
    unit: float  # of the gradients' arithmetic
    longer: Array | None = None  # (T,), times than their sketches, in which rows may cancel

    @property
    def sizes(self) -> tuple[Array, Array, Array]:
        """Return how large what was added, held and handed over is."""
        return self._size(self.added), self._size(self.held), self._size(self.handed)

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

    @property
    def tolerance(self) -> float:
        """Return how much of a gradient its rounding explains."""
        return 2 * self.unit * (len(self.added) + 1) ** 0.5 + FLOOR

    def only(self, rows: npt.NDArray[np.bool_]) -> "Sketches":
        """Return some of the parameters."""
        names = tuple(name for name, kept in zip(self.names, rows, strict=True) if kept)
        longer = None if self.longer is None else self.longer[rows]
        held, handed = self.held[rows], self.handed[rows]
        return Sketches(names, self.added[:, rows], held, handed, self.unit, longer)

    def left(self, c: Array, held: float = 0.0) -> Array:
        """Return the share of each parameter's gradient that the factors leave, (T,)."""
        rest = self.handed - np.tensordot(c, self.added, 1) - held * self.held
        return sizes_of(rest) / self.scale(c, held)

    def scale(self, c: Array, held: float = 0.0) -> Array:
        """Return the size of all that went into each parameter's gradient, (T,)."""
        added, before, handed = self.sizes
        return positive(np.maximum(np.abs(c) @ added + abs(held) * before, handed))

    def common(self, kept: npt.NDArray[np.bool_]) -> float:
        """Return the factor that comes closest, if it is one for all of some passes."""
        added = self.added[kept].sum(0)
        scale = 1 / positive(self.sizes[0][kept].sum(0)) ** 2
        across = float(((added * self.handed).sum(-1) * scale).sum())
        return across / max(float(((added**2).sum(-1) * scale).sum()), 1e-300)

    def running(self, c: Array) -> Array:
        """Return how large each parameter's sum is after each pass, (P, T)."""
        return self._size(np.cumsum(c[:, None, None] * self.added, axis=0))

    def _size(self, sketches: Array) -> Array:
        return sizes_of(sketches) if self.longer is None else sizes_of(sketches) * self.longer


def sizes_of(sketches: Array) -> Array:
    """Return the sketches' norms."""
    return np.sqrt((sketches**2).sum(-1))


def longer_than(sketches: Array, norms: Array) -> Array:
    """Return by how much gradients are longer than their sketches: at least 1, as if unmeasured."""
    norms = np.where(np.isfinite(norms), norms, 0.0)
    return np.maximum(norms / positive(sizes_of(sketches)), 1.0)


def positive(values: Array) -> Array:
    """Return sizes to divide by: 1 instead of 0."""
    return np.where(values > 0, values, 1.0)
