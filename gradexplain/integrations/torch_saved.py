"""What a loss's own node in autograd's graph saved: its targets, and what it divides by."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradexplain.integrations.torch_scaled import SHAPES, Scaled
from gradexplain.integrations.torch_taps import Targets

_SCALAR = {
    "MseLossBackward0": "squared error",
    "BinaryCrossEntropyBackward0": "binary cross-entropy",
    "BinaryCrossEntropyWithLogitsBackward0": "binary cross-entropy",
}
NLL = {"NllLossBackward0": "cross-entropy", "NllLoss2DBackward0": "cross-entropy"}
KINDS = _SCALAR | NLL
_MASKS = {"MulBackward0", "WhereBackward0", "MaskedFillBackward0"}
NONE, MEAN = 0, 1  # of the reductions that a loss node saves; 2 is the sum


@dataclass(frozen=True, eq=False)
class Saved:
    """What a loss's own node saved of its targets: how many it divides by, and which count."""

    count: Tensor | None  # read at the end, when no device waits for it; None if it is open
    kept: Tensor | None  # of an unreduced loss
    targets: Targets | None


def saved_by(loss: Tensor, below: Scaled | None, *, main: bool) -> Saved | None:
    """Return what the loss function saved that a loss comes from; None if it comes from another.

    Args:
        loss: the loss. Nothing but a change of shape or of type may lie between the two, and
            constants, if it is a scalar.
        below: what a scalar loss is a multiple of.
        main: whether it is the main term. Others may be over more than the targets that count.
    """
    node = _below_shapes(loss.grad_fn) if below is None else below.node
    if node is None or node.name() not in KINDS:
        whole = main and below is not None and below.size is not None and not below.summed
        return Saved(torch.tensor(below.size), None, None) if below and whole else None
    kept, count = counted(node)
    targets = Targets.of(node._saved_target)  # noqa: SLF001 - torch's own
    reduction = node._saved_reduction  # noqa: SLF001 - torch's own
    if node.name() not in NLL:
        means = main and reduction == MEAN and not doubt(node)
        return Saved(count, None, targets) if means else None
    if reduction != NONE:
        either = reduction != MEAN and weighted(node)  # a sum's mean is over weights, or targets
        return Saved(None if either else count, None, targets)
    whole = kept.numel() == loss.numel()
    return Saved(count, kept.reshape(loss.shape), targets) if whole else None


def counted(node: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - a node of autograd's graph
    """Return which targets a loss's node counts, and the sum of their weights, 1 as a rule."""
    target = node._saved_target  # noqa: SLF001 - torch's own name
    if node.name() not in NLL:
        return torch.ones_like(target, dtype=torch.bool), torch.tensor(float(target.numel()))
    kept = target != node._saved_ignore_index  # noqa: SLF001 - torch's own
    classes = node._saved_weight  # noqa: SLF001 - torch's own
    return kept, kept.sum() if classes is None else classes[target[kept]].sum()


def weighted(node: Any) -> bool:  # noqa: ANN401 - a node of autograd's graph
    """Tell whether a loss has class weights."""
    return getattr(node, "_saved_weight", None) is not None


def doubt(node: Any) -> str:  # noqa: ANN401 - a node of autograd's graph
    """Return what a loss's node leaves open: how many targets there are, or what each weighs."""
    reduction = node._saved_reduction  # noqa: SLF001 - torch's own
    if node.name() in NLL:
        return "inside" if reduction == NONE else ""
    inputs = [_below_shapes(below) for below, _ in node.next_functions]
    masked = any(each is not None and each.name() in _MASKS for each in inputs)
    return "targets" if reduction != MEAN or weighted(node) or masked else ""


def _below_shapes(node: Any) -> Any:  # noqa: ANN401 - a node of autograd's graph
    while node is not None and node.name() in SHAPES:
        node = node.next_functions[0][0]
    return node
