"""Sketches of gradients, short enough to keep one of each tensor for each backward pass.

A gradient is laid out in rows of `LENGTH` numbers, each row gets a random factor, and the rows are
added up: one matrix-vector product. A large matrix is first added up along its shorter side, as it
lies in memory. Sketches are linear, so they show what was added up and by which factors, and they
take no more room for a larger tensor. Rows can cancel, so the gradient's norm goes with its sketch.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

LENGTH = 131  # a prime: a layer's width would line up its columns
_CHUNK = 4096  # rows at a time where the numbers are widened first
_FEW = 512  # rows
_SEED = 20261227  # neither rows that are alike nor two opposite ones cancel


class Sketcher:
    """Sketches, with one row of factors for all tensors of a device."""

    def __init__(self) -> None:
        """Start without factors; they are drawn as long as the largest tensor needs."""
        self._factors: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the sketch of a gradient: `LENGTH` numbers on its device, and then its norm."""
        dense = _dense(gradient)
        wide = torch.promote_types(dense.dtype, torch.float32)
        norm = torch.linalg.vector_norm(dense, dtype=wide)
        if dense.ndim == 2 and max(dense.shape) > LENGTH:
            # A linear layer's gradient arrives transposed: to lay it out in rows would copy it.
            dense = self._summed(dense if dense.shape[1] >= dense.shape[0] else dense.t(), wide)
        flat = dense.reshape(-1)
        rows, rest = divmod(flat.numel(), LENGTH)
        if rest and rows < _FEW:  # a copy of little costs less than a step more
            flat, rows, rest = pad(flat, (0, LENGTH - rest)), rows + 1, 0
        found = self._summed((flat[: rows * LENGTH] if rest else flat).view(rows, LENGTH), wide)
        if rest:
            found[:rest] += flat[rows * LENGTH :]
        return torch.cat([found, norm.view(1)])

    def _summed(self, matrix: Tensor, wide: torch.dtype) -> Tensor:
        """Return the sum of a matrix's rows, each with its factor; halves are widened first."""
        factors = self._drawn(len(matrix), matrix.device, wide)
        if matrix.dtype == wide:
            return torch.mv(matrix.t(), factors)
        found = matrix.new_zeros(matrix.shape[1], dtype=wide)
        for part, some in zip(matrix.split(_CHUNK), factors.split(_CHUNK), strict=True):
            found.addmv_(part.to(wide).t(), some)
        return found

    def _drawn(self, rows: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        factors = self._factors.get((device, dtype))
        if factors is None or len(factors) < rows:
            # Twice as many as are needed, so that few are drawn again; the first ones are the same.
            found = _factors(2 * rows)
            factors = self._factors[device, dtype] = found.to(device, dtype)
        return factors[:rows]


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
