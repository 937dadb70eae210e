"""Weights solved at the logits: the gradient of weighted cross-entropy is w (p − y).

So is the gradient of a focal loss, with a w that depends on p. Its value tells the two apart.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_CHUNK = 64  # rows at a time
_EACH = 2**22  # numbers up to which every target is solved; beyond, a sample
_SAMPLE = 256
_LEAVES = {torch.float32: 1e-3, torch.float64: 1e-6}  # of a plain cross-entropy; 3 % in halves
_LEAVES_HALF = 0.03
_PEEKED = 64  # columns that tell a row of zeros from another
_FINE = 16 * torch.finfo(torch.float32).eps  # what sums over a vocabulary may round
_LEFT = 0.3  # of a type's own step, that rounding leaves over of a cross-entropy
_SAME_VALUE = 1e-4  # how far a value may be off in float32


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


@dataclass(frozen=True, eq=False)
class Solved:
    """What targets weigh at the logits."""

    weights: Tensor  # each target's, or their mean's
    count: float | None  # of targets, if it is their mean's
    left: float  # the share of the gradient that is left over
    even: bool  # whether nothing is left over and the targets weigh the same, but for rounding
    value: float  # of the objective, if it is a cross-entropy with these weights

    def is_plain(self, value: float | None, unit: float) -> bool:
        """Tell whether the objective can be a cross-entropy whose targets weigh the same.

        Args:
            value: what the pass started from, less the other heads' values; None if unknown.
            unit: the rounding of the coarsest type between the two.
        """
        if value is None or not self.even:
            return self.even
        return abs(value - self.value) <= max(2 * unit, _SAME_VALUE) * abs(self.value)


def solved(logits: Logits) -> Solved | str:
    """Return what the targets weigh. What cannot be read is said in words.

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
    smoothing = _smoothing(z, g, rows[:_CHUNK])
    weights, left, spread = _weights(z, g, rows, smoothing)
    allowed = _LEAVES.get(g.dtype, _LEAVES_HALF)
    if left > allowed:
        return f"the gradient of the logits is not a cross-entropy's: {left:.0%} of it is left over"
    eps = torch.finfo(g.dtype).eps
    even = spread <= eps + _FINE and left <= _LEFT * eps + _FINE
    left += _FINE
    if every:
        value = float(weights.double() @ _losses(z, g, rows, smoothing))
        return Solved(weights, None, left, even, value)
    mean, count = weights.mean(), float(len(kept))
    value = float(mean) * float(_losses(z, g, kept, smoothing).sum()) if even else 0.0
    return Solved(mean * count, count, left, even, value)


def _weights(z: Tensor, g: Tensor, rows: Tensor, smoothing: float) -> tuple[Tensor, float, float]:
    """Return some rows' weights, what they leave over, and what one for all would in addition.

    Both are shares of the rows' gradients, so a row whose p is close to y, and whose weight is
    rounded the most, counts the least.
    """
    found, sizes, left, size = [], [], z.new_zeros((), dtype=torch.float64), 0.0
    for chunk in rows.split(_CHUNK):
        grad = _wide(g[chunk])
        shape = _slopes(_wide(z[chunk]), grad, smoothing)
        sizes.append((shape * shape).sum(-1))
        weight = (grad * shape).sum(-1) / sizes[-1]
        found.append(weight)
        left = left + (grad - weight[:, None] * shape).double().square().sum()
        size = size + grad.double().square().sum()
    weights, shares = torch.cat(found), torch.cat(sizes).double()
    common = (weights @ shares.to(weights.dtype)) / shares.sum()
    spread = ((weights - common).double().square() * shares).sum()
    return weights, float((left / size).sqrt()), float((spread / size).sqrt())


def _losses(z: Tensor, g: Tensor, rows: Tensor, smoothing: float) -> Tensor:
    """Return the cross-entropy of each of some rows."""
    found = []
    for chunk in rows.split(_CHUNK):
        logs = _wide(z[chunk]).log_softmax(-1)
        target = g[chunk].argmin(-1, keepdim=True)
        right = logs.gather(-1, target)[:, 0]
        found.append((smoothing - 1) * right.double() - smoothing * logs.double().mean(-1))
    return torch.cat(found)


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
