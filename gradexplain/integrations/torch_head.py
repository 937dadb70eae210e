"""Weights solved at the logits: the gradient of weighted cross-entropy is w (p − y)."""

from dataclasses import dataclass

import torch
from torch import Tensor

_CHUNK = 64  # rows at a time
_EACH = 2**22  # numbers up to which every target is solved; beyond, a sample
_SAMPLE = 256
_LEAVES = {torch.float32: 1e-3, torch.float64: 1e-6}  # of a plain cross-entropy; 3 % in halves
_LEAVES_HALF = 0.03
_PEEKED = 64  # columns that tell a row of zeros from another


@dataclass(eq=False)
class Logits:
    """What a head returned in one forward pass, and the gradient that came back."""

    values: Tensor
    gradient: Tensor | None = None

    def arrived(self, gradient: Tensor | None) -> None:
        """Keep the gradient; compiled code may have none."""
        if gradient is not None:
            before = self.gradient
            self.gradient = gradient.detach() if before is None else before + gradient.detach()


def solved(logits: Logits) -> tuple[Tensor, float | None, float] | str:
    """Return what each target weighs, or their mean's weight and its count; and what is left over.

    What cannot be read is said in words.

    The target of a row is the most negative entry of its gradient. Label smoothing is fitted.
    """
    assert logits.gradient is not None  # noqa: S101 - the caller has looked
    V = logits.values.shape[-1]
    z, g = logits.values.reshape(-1, V), logits.gradient.reshape(-1, V)
    kept = (g[:, :: max(V // _PEEKED, 1)] != 0).any(-1).nonzero().ravel()
    if not len(kept):
        return "the gradient of the logits is zero"
    if V < 3:
        return "with two classes, any loss fits the gradient of the logits"
    every = len(kept) * V <= _EACH
    rows = kept if every else kept[:: max(len(kept) // _SAMPLE, 1)]
    weights, left = _weights(z, g, rows)
    allowed = _LEAVES.get(g.dtype, _LEAVES_HALF)
    if left > allowed:
        return f"the gradient of the logits is not a cross-entropy's: {left:.0%} of it is left over"
    if every:
        return weights, None, left
    return weights.mean() * len(kept), float(len(kept)), left


def _weights(z: Tensor, g: Tensor, rows: Tensor) -> tuple[Tensor, float]:
    """Return the weights of some rows, and the share of their gradients that is left over."""
    found, left, size = [], z.new_zeros((), dtype=torch.float64), 0.0
    smoothing = _smoothing(z, g, rows[:_CHUNK])
    for chunk in rows.split(_CHUNK):
        grad = _wide(g[chunk])
        shape = _slopes(_wide(z[chunk]), grad, smoothing)
        weight = (grad * shape).sum(-1) / (shape * shape).sum(-1)
        found.append(weight)
        left = left + (grad - weight[:, None] * shape).double().square().sum()
        size = size + grad.double().square().sum()
    return torch.cat(found), float((left / size).sqrt())


def _slopes(z: Tensor, g: Tensor, smoothing: float) -> Tensor:
    """Return p − y for each row, with y smoothed."""
    slopes = z.softmax(-1) - smoothing / z.shape[-1]
    target = g.argmin(-1, keepdim=True)
    return slopes.scatter_add(-1, target, slopes.new_full(target.shape, smoothing - 1))


def _smoothing(z: Tensor, g: Tensor, rows: Tensor) -> float:
    """Fit a (p − y) + b (p − 1/V) to some rows; return b / (a + b)."""
    grad, logits = _wide(g[rows]).double(), _wide(z[rows])
    plain, flat = (
        _slopes(logits, grad, 0.0).double(),
        (logits.softmax(-1) - 1 / z.shape[-1]).double(),
    )
    pairs = torch.stack([(plain * plain).sum(-1), (plain * flat).sum(-1), (flat * flat).sum(-1)])
    pp, pf, ff = pairs
    gp, gf = (grad * plain).sum(-1), (grad * flat).sum(-1)
    over = pp * ff - pf * pf
    a, b = (gp * ff - gf * pf) / over, (gf * pp - gp * pf) / over
    share = (b / (a + b))[over > 1e-9 * pp * ff]
    found = float(share.median()) if len(share) else 0.0
    return found if 1e-3 < found < 1 else 0.0


def mean_cross_entropy(
    logits: Tensor, labels: Tensor, shift: int, ignored: int
) -> tuple[float, float] | None:
    """Return the mean cross-entropy of a model's logits and its count; None if they don't fit."""
    if logits.shape[:-1] != labels.shape or (shift and logits.ndim < 3):
        return None
    cut, targets = logits[..., : logits.shape[-2] - shift, :], labels[..., shift:]
    kept = targets != ignored
    count = int(kept.sum())
    if not count:
        return None
    rows, targets = cut[kept], targets[kept]
    pairs = zip(rows.split(_CHUNK), targets.split(_CHUNK), strict=True)
    sums = [
        torch.nn.functional.cross_entropy(_wide(z), y, reduction="sum").double() for z, y in pairs
    ]
    return float(torch.stack(sums).sum()) / count, float(count)


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
