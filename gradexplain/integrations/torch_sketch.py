"""Sketches of gradients, short enough to keep one of each tensor for each backward pass.

A gradient is laid out in rows of `LENGTH` numbers, each row gets a random factor, and the rows are
added up. Sketches are linear, so they show what was added up and by which factors, and they take
no more room for a larger tensor. Rows can cancel. How far they do shows in the norm of what an
optimizer is handed, which goes with the sketch of that.

The cost is kept low in three ways. Of a large gradient every eighth row is read, once, by a
matrix-vector product that adds them up along their shorter side: what happens to gradients on their
way, happens to more than seven rows. Embeddings, whose gradients may have no more, are read as a
whole. What is left is as short as a small gradient, and waits as a copy of that does: the sketches
of all that have one shape are then made at once. And what is known of a gradient before it arrives
is not asked again: inside a backward pass calls take the time, as nothing of theirs is in the
processor's cache.
"""

import functools
from collections.abc import Callable
from math import prod

import torch
from torch import Tensor
from torch.nn.functional import pad

LENGTH = 131  # a prime: a layer's width would line up its columns
_SHORT = 4096  # numbers, at most, that wait for each gradient
_LARGE = 2**16  # numbers of a gradient, above which every row is too much
_EVERY = 8  # rows, of which one is read then
_MANY = 256  # sketches that wait after a backward pass
_HALVES = {torch.float16, torch.bfloat16}
_CHUNK = 4096  # columns at a time where the numbers are widened first
_SEED = 20261227  # neither rows that are alike nor two opposite ones cancel


class Sketch:
    """The sketch of one gradient, made when its numbers are needed."""

    __slots__ = ("_sketcher", "kind", "made", "norm")

    def __init__(self, sketcher: "Sketcher", kind: torch.dtype) -> None:
        """Wait for the sketcher to make it."""
        self._sketcher = sketcher
        self.kind = kind  # of the gradient
        self.made: Tensor | None = None
        self.norm: Tensor | None = None  # of what was read of the gradient, if it was measured

    @property
    def numbers(self) -> Tensor:
        """The sketch: `LENGTH` numbers on the gradient's device."""
        if self.made is None:
            self._sketcher.make()
        assert self.made is not None  # noqa: S101 - it was waiting
        return self.made


class Sketcher:
    """Sketches, with one row of factors for all tensors of a device."""

    def __init__(self) -> None:
        """Start without factors."""
        self._factors: dict[tuple[int, torch.device, torch.dtype], Tensor] = {}
        self._waiting: list[tuple[Sketch, Tensor]] = []  # and what each is made of

    def __call__(self, gradient: Tensor, *, measured: bool = False, whole: bool = False) -> Sketch:
        """Return the sketch of a gradient, which may be overwritten from here on.

        Args:
            gradient: of any layout.
            measured: whether its norm is taken, too.
            whole: whether all of its rows are read, however many they are.
        """
        sketch = Sketch(self, gradient.dtype)
        gradient = gradient.to_dense() if gradient.layout != torch.strided else gradient
        if gradient.numel() <= _SHORT:
            read = short = gradient.detach().clone()
        else:
            read = _read(gradient, whole=whole)
            read = read.contiguous() if measured else read  # it is read twice
            short = self._shortened(read)
        if measured:
            dense = _dense(read)
            sketch.norm = torch.linalg.vector_norm(dense, dtype=_wide(dense))
        self._waiting.append((sketch, short))
        return sketch

    def like(self, weight: Tensor, *, whole: bool = False) -> Callable[[Tensor], Sketch]:
        """Return what sketches the gradients that arrive at a parameter."""
        usual = weight.layout == torch.strided and weight.is_contiguous()
        short = self._shortening(weight, whole=whole) if usual else None
        if short is None:
            return functools.partial(self, whole=whole)
        kind, shape, device = weight.dtype, weight.shape, weight.get_device()

        def sketched(gradient: Tensor) -> Sketch:
            if not (
                gradient.shape == shape
                and gradient.dtype is kind
                and gradient.get_device() == device
                and gradient.layout is torch.strided
                and gradient.is_contiguous()
                and not gradient.requires_grad
            ):
                return self(gradient, whole=whole)
            sketch = Sketch(self, kind)
            self._waiting.append((sketch, short(gradient)))
            return sketch

        return sketched

    def _shortening(self, weight: Tensor, *, whole: bool) -> Callable[[Tensor], Tensor] | None:
        """Return what shortens a usual gradient of a parameter, if one call of torch's does."""
        if weight.numel() <= _SHORT:
            return torch.clone
        if weight.dtype in _HALVES or weight.is_complex():
            return None
        read = _read(weight, whole=whole)
        if not _is_added_up(read) or max(read.shape) > _SHORT:
            return None
        turned = _turned(read)
        size, stride = turned.size(), turned.stride()
        factors = self._drawn(size[1], weight.device, weight.dtype)
        return lambda gradient: torch.mv(gradient.as_strided(size, stride), factors)

    def settle(self) -> None:
        """Make the sketches that wait, if they are many.

        It is called between backward passes: a pass may use several streams of a device.
        """
        if len(self._waiting) > _MANY:
            self.make()

    def make(self) -> None:
        """Make the sketches that wait, those of one shape at once."""
        waiting, self._waiting = self._waiting, []
        alike: dict[tuple[object, ...], list[tuple[Sketch, Tensor]]] = {}
        for sketch, short in waiting:
            key = short.shape, short.dtype, short.device
            alike.setdefault(key, []).append((sketch, short))
        for group in alike.values():
            short = _dense(torch.stack([short for _, short in group]))
            made = self._laid_out(short.reshape(len(group), -1).to(_wide(short)))
            for (sketch, _), numbers in zip(group, made, strict=True):
                sketch.made = numbers

    def _shortened(self, matrix: Tensor) -> Tensor:
        """Return a large gradient added up to at most `_SHORT` numbers."""
        # Transposed in memory, as it may be, it would have to be copied to lay it out in rows.
        short = self._product(_turned(matrix)) if _is_added_up(matrix) else matrix.reshape(-1)
        if len(short) <= _SHORT:
            return short
        rows, rest = divmod(len(short), LENGTH)
        found = self._product(short[: rows * LENGTH].view(rows, LENGTH).t())
        found[:rest] += short[rows * LENGTH :]
        return found

    def _laid_out(self, short: Tensor) -> Tensor:
        """Return the sums of the rows of short vectors, (n, LENGTH)."""
        rows = -(-short.shape[1] // LENGTH)
        matrices = pad(short, (0, rows * LENGTH - short.shape[1])).view(len(short), rows, LENGTH)
        # Not a product of matrices, for which a GPU may round to ten bits.
        return (matrices * self._drawn(rows, short.device, short.dtype)[:, None]).sum(1)

    def _product(self, matrix: Tensor) -> Tensor:
        """Return the sum of a matrix's columns, each with its factor; halves are widened first."""
        wide = _wide(matrix)
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


def _read(gradient: Tensor, *, whole: bool) -> Tensor:
    """Return what is read of a large gradient, as a matrix."""
    dense = _dense(gradient)
    matrix = dense if dense.ndim == 2 else _matrix(dense)
    few = whole or matrix.numel() <= _LARGE or len(matrix) <= LENGTH
    return matrix if few else matrix[::_EVERY]


def _is_added_up(matrix: Tensor) -> bool:
    """Tell whether a matrix is added up along its shorter side, or laid out as it is."""
    return len(matrix) > 1 and max(matrix.shape) > LENGTH


def _turned(matrix: Tensor) -> Tensor:
    """Return it with the shorter side as its columns."""
    return matrix if matrix.shape[0] > matrix.shape[1] else matrix.t()


def _dense(gradient: Tensor) -> Tensor:
    dense = gradient.detach()
    return torch.view_as_real(dense.resolve_conj()) if dense.is_complex() else dense


def _wide(dense: Tensor) -> torch.dtype:
    return torch.float32 if dense.dtype in _HALVES else dense.dtype


def _matrix(dense: Tensor) -> Tensor:
    """Return it as a matrix, as near to a square as its dimensions allow; a vector as one row."""
    shape = dense.shape
    sides = [(prod(shape[:k]), prod(shape[k:])) for k in range(1, dense.ndim)]
    return dense.reshape(min(sides, key=max, default=(1, dense.numel())))
