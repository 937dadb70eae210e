"""Sketches of gradients, short enough to keep one of each tensor for each backward pass.

A gradient is laid out in rows of `LENGTH` numbers, each row gets a random factor, and the rows are
added up. Sketches are linear, so they show what was added up and by which factors, and they take
no more room for a larger tensor. Rows can cancel, so the gradient's norm goes with its sketch.

The cost is kept low in two ways. A large gradient is read twice while it is at hand, once for its
norm and once for a matrix-vector product that adds a matrix up along its shorter side. What is left
is as short as a small gradient, and waits as a copy of that does: the sketches of all that have one
shape are then made at once, since calls, not numbers, take the time there.
"""

from math import prod

import torch
from torch import Tensor
from torch.nn.functional import pad

LENGTH = 131  # a prime: a layer's width would line up its columns
_SHORT = 4096  # numbers, at most, that wait for each gradient
_MANY = 2**19  # numbers that wait after a backward pass
_CHUNK = 4096  # columns at a time where the numbers are widened first
_SEED = 20261227  # neither rows that are alike nor two opposite ones cancel


class Sketch:
    """The sketch of one gradient, made when its numbers are needed."""

    def __init__(self, sketcher: "Sketcher") -> None:
        """Wait for the sketcher to make it."""
        self._sketcher = sketcher
        self.made: Tensor | None = None

    @property
    def numbers(self) -> Tensor:
        """The sketch: `LENGTH` numbers on the gradient's device, and then its norm."""
        if self.made is None:
            self._sketcher.make()
        assert self.made is not None  # noqa: S101 - it was waiting
        return self.made


class Sketcher:
    """Sketches, with one row of factors for all tensors of a device."""

    def __init__(self) -> None:
        """Start without factors."""
        self._factors: dict[tuple[int, torch.device, torch.dtype], Tensor] = {}
        #: Sketches, and what they are made of: a norm, or None, and that in short or in full.
        self._waiting: list[tuple[Sketch, Tensor | None, Tensor]] = []

    def __call__(self, gradient: Tensor) -> Sketch:
        """Return the sketch of a gradient, which may be overwritten from here on."""
        sketch = Sketch(self)
        if gradient.numel() <= _SHORT and gradient.layout == torch.strided:
            self._waiting.append((sketch, None, gradient.detach().clone()))
        else:
            dense = _dense(gradient)
            wide = _wide(dense)
            norm = torch.linalg.vector_norm(dense, dtype=wide)
            self._waiting.append((sketch, norm, self._shortened(dense, wide)))
        return sketch

    def settle(self) -> None:
        """Make the sketches that wait, if they are many.

        It is called between backward passes: a pass may use several streams of a device.
        """
        if sum(short.numel() for _, _, short in self._waiting) > _MANY:
            self.make()

    def make(self) -> None:
        """Make the sketches that wait, those of one shape at once."""
        waiting, self._waiting = self._waiting, []
        alike: dict[tuple[object, ...], list[tuple[Sketch, Tensor | None, Tensor]]] = {}
        for one in waiting:
            _, norm, short = one
            key = norm is None, short.shape, short.dtype, short.device
            alike.setdefault(key, []).append(one)
        for group in alike.values():
            short = _dense(torch.stack([short for _, _, short in group]))
            short = short.reshape(len(group), -1).to(_wide(short))
            norms = [norm for _, norm, _ in group if norm is not None]
            norm = torch.stack(norms) if norms else torch.linalg.vector_norm(short, dim=1)
            made = torch.cat([self._laid_out(short), norm[:, None]], dim=1)
            for (sketch, _, _), numbers in zip(group, made, strict=True):
                sketch.made = numbers

    def _shortened(self, dense: Tensor, wide: torch.dtype) -> Tensor:
        """Return a large gradient added up to at most `_SHORT` numbers."""
        matrix = dense if dense.ndim == 2 else _matrix(dense)
        rows, columns = matrix.shape
        if rows > 1 and max(rows, columns) > LENGTH:
            # Transposed in memory, as it may be, it would have to be copied to lay it out in rows.
            short = self._product(matrix if rows > columns else matrix.t(), wide)
        else:
            short = dense.reshape(-1)
        if len(short) <= _SHORT:
            return short
        rows, rest = divmod(len(short), LENGTH)
        found = self._product(short[: rows * LENGTH].view(rows, LENGTH).t(), wide)
        found[:rest] += short[rows * LENGTH :]
        return found

    def _laid_out(self, short: Tensor) -> Tensor:
        """Return the sums of the rows of short vectors, (n, LENGTH)."""
        rows = -(-short.shape[1] // LENGTH)
        matrices = pad(short, (0, rows * LENGTH - short.shape[1])).view(len(short), rows, LENGTH)
        # Not a product of matrices, for which a GPU may round to ten bits.
        return (matrices * self._drawn(rows, short.device, short.dtype)[:, None]).sum(1)

    def _product(self, matrix: Tensor, wide: torch.dtype) -> Tensor:
        """Return the sum of a matrix's columns, each with its factor; halves are widened first."""
        factors = self._drawn(matrix.shape[1], matrix.device, wide)
        if matrix.dtype == wide:
            return torch.mv(matrix, factors)
        found = matrix.new_zeros(len(matrix), dtype=wide)
        for part, some in zip(matrix.split(_CHUNK, 1), factors.split(_CHUNK), strict=True):
            found.addmv_(part.to(wide), some)
        return found

    def _drawn(self, number: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return that many factors, always the same ones."""
        factors = self._factors.get((number, device, dtype))
        if factors is None:
            factors = _factors(number).to(device, dtype)
            self._factors[number, device, dtype] = factors
        return factors


def _factors(rows: int) -> Tensor:
    """Draw a row's factors: of either sign, from 0.5 to 1.5, and drifting upward a little.

    With signs, rows that are alike often cancel. With the drift, the first n factors add up to
    between 0.9 and 4.7 times the root of n, whatever n is.
    """
    drawn = torch.rand(rows, generator=torch.Generator().manual_seed(_SEED)).double()
    drift = 2 * torch.arange(rows + 1, dtype=torch.float64).sqrt().diff()
    return torch.where(drawn < 1 / 2, -0.5 - 2 * drawn, 2 * drawn - 0.5) + drift


def _dense(gradient: Tensor) -> Tensor:
    dense = gradient.detach()
    dense = dense.to_dense() if dense.layout != torch.strided else dense
    return torch.view_as_real(dense) if dense.is_complex() else dense


def _wide(dense: Tensor) -> torch.dtype:
    return torch.promote_types(dense.dtype, torch.float32)


def _matrix(dense: Tensor) -> Tensor:
    """Return it as a matrix, as near to a square as its dimensions allow; a vector as one row."""
    shape = dense.shape
    sides = [(prod(shape[:k]), prod(shape[k:])) for k in range(1, dense.ndim)]
    return dense.reshape(min(sides, key=max, default=(1, dense.numel())))
