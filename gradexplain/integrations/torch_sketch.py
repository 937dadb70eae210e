"""Sketches of gradients, short enough to keep one of each tensor for each backward pass.

A gradient is laid out in rows of `LENGTH` numbers, each row gets a random sign, and the rows are
added up: one matrix-vector product. A large matrix is first added up along its shorter side, as it
lies in memory. Sketches are linear, so they show what was added up and by
which factors, and they take no more room for a larger tensor.
"""

import torch
from torch import Tensor

LENGTH = 131  # a prime: a layer's width would line up its columns
_CHUNK = 4096  # rows at a time where the numbers are widened first
_SEED = 20261126


class Sketcher:
    """Sketches, with one row of signs for all tensors of a device."""

    def __init__(self) -> None:
        """Start without signs; they are drawn as long as the largest tensor needs."""
        self._signs: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the sketch of a gradient: `LENGTH` numbers on its device."""
        dense = _dense(gradient)
        if dense.ndim == 2 and max(dense.shape) > LENGTH:
            # A linear layer's gradient arrives transposed: to lay it out in rows would copy it.
            dense = self._summed(dense if dense.shape[1] >= dense.shape[0] else dense.t())
        flat = dense.reshape(-1)
        rows, rest = divmod(flat.numel(), LENGTH)
        found = self._summed(flat[: rows * LENGTH].view(rows, LENGTH))
        if rest:
            found[:rest] += flat[rows * LENGTH :]
        return found

    def _summed(self, matrix: Tensor) -> Tensor:
        """Return the sum of a matrix's rows, each with its sign; halves are widened first."""
        rows, columns = matrix.shape
        wide = torch.promote_types(matrix.dtype, torch.float32)
        found = matrix.new_zeros(columns, dtype=wide)
        signs = self._drawn(rows, matrix.device, wide)
        step = rows if matrix.dtype == wide else _CHUNK
        for start in range(0, rows, max(step, 1)):
            end = min(start + step, rows)
            found.addmv_(matrix[start:end].to(wide).t(), signs[start:end])
        return found

    def _drawn(self, rows: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        signs = self._signs.get((device, dtype))
        if signs is None or len(signs) < rows:
            # Twice as many as are needed, so that few are drawn again; the first ones are the same.
            generator = torch.Generator().manual_seed(_SEED)
            drawn = torch.randint(2, (2 * rows,), generator=generator)
            signs = self._signs[device, dtype] = (2 * drawn - 1).to(device, dtype)
        return signs


def _dense(gradient: Tensor) -> Tensor:
    dense = gradient.detach()
    dense = dense.to_dense() if dense.layout != torch.strided else dense
    return torch.view_as_real(dense) if dense.is_complex() else dense
