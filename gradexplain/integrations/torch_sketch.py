"""Sketches of gradients, short enough to keep one of each tensor for each backward pass.

A gradient is laid out in rows of `LENGTH` numbers, each row gets a random sign, and the rows are
added up: one matrix-vector product. Sketches are linear, so they show what was added up and by
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
        flat = _flat(gradient)
        wide = torch.promote_types(flat.dtype, torch.float32)
        rows, rest = divmod(flat.numel(), LENGTH)
        found = flat.new_zeros(LENGTH, dtype=wide)
        if rest:
            found[:rest] = flat[rows * LENGTH :]
        signs = self._drawn(rows, flat.device, wide)
        step = rows if flat.dtype == wide else _CHUNK
        for start in range(0, rows, max(step, 1)):
            end = min(start + step, rows)
            block = flat[start * LENGTH : end * LENGTH].view(-1, LENGTH)
            found.addmv_(block.to(wide).t(), signs[start:end])
        return found

    def _drawn(self, rows: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        signs = self._signs.get((device, dtype))
        if signs is None or len(signs) < rows:
            # Twice as many as are needed, so that few are drawn again; the first ones are the same.
            generator = torch.Generator().manual_seed(_SEED)
            drawn = torch.randint(2, (2 * rows,), generator=generator)
            signs = self._signs[device, dtype] = (2 * drawn - 1).to(device, dtype)
        return signs


def _flat(gradient: Tensor) -> Tensor:
    dense = gradient.detach()
    dense = dense.to_dense() if dense.layout != torch.strided else dense
    dense = torch.view_as_real(dense) if dense.is_complex() else dense
    return dense.reshape(-1)
