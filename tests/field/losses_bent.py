"""Losses by hand whose gradient at the logits is that of a cross-entropy, or nearly so."""

from collections.abc import Callable

from torch import Tensor

from field.tiny import IGNORED

Each = Callable[[Tensor, Tensor], Tensor]  # from logits and labels to each target's loss


def surprise(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each target, one position on."""
    kept = labels[:, 1:] != IGNORED
    logs = logits[:, :-1][kept].log_softmax(-1)
    return -logs.gather(-1, labels[:, 1:][kept][:, None])[:, 0]


def smoothed(logits: Tensor, labels: Tensor) -> Tensor:
    """Smooth the labels."""
    logs = logits[:, :-1][labels[:, 1:] != IGNORED].log_softmax(-1)
    return 0.9 * surprise(logits, labels) - 0.1 * logs.mean(-1)


def focal(logits: Tensor, labels: Tensor, gamma: int = 2) -> Tensor:
    """Weigh by how unsure the model is."""
    each = surprise(logits, labels)
    return (1 - (-each).exp()) ** gamma * each


def focal_1(logits: Tensor, labels: Tensor) -> Tensor:
    """Weigh by 1 − p."""
    return focal(logits, labels, 1)


def generalized(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (1 − p^q) / q."""
    return (1 - (-0.7 * surprise(logits, labels)).exp()) / 0.7


def with_entropy(logits: Tensor, labels: Tensor, bonus: float = 0.01) -> Tensor:
    """Reward entropy."""
    logs = logits[:, :-1][labels[:, 1:] != IGNORED].log_softmax(-1)
    return surprise(logits, labels) + bonus * (logs.exp() * logs).sum(-1)


def with_much_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Reward it more."""
    return with_entropy(logits, labels, 0.1)


PLAIN: list[Each] = [surprise, smoothed]
BENT: list[Each] = [focal_1, focal, generalized, with_entropy, with_much_entropy]
