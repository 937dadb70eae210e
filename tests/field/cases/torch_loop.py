"""Plain PyTorch loops, as they stand in tutorials, and losses that are no plain mean."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from field.capture import Capture
from field.tiny import (
    IGNORED,
    VOCABULARY,
    Batch,
    CatchingSGD,
    Loss,
    gradient_of,
    language_model,
    mean_loss,
    parts_of,
    summed_loss,
    targets_in,
    token_batches,
)

PACKAGE = "torch"
ACCUMULATE = 4


def loss_over_k() -> Capture:
    """`(loss / K).backward()` with unequal token counts, some labels ignored."""
    return _accumulate(language_model(), token_batches(), mean_loss, targets_in)


def sum_over_targets() -> Capture:
    """The right loop: summed losses, divided by the step's count of targets."""
    batches = token_batches()
    total = sum(targets_in(batch) for batch in batches)

    def share(model: nn.Module, batch: Batch) -> Tensor:
        return summed_loss(model, batch) * (ACCUMULATE / total)

    caught = _accumulate(language_model(), batches, share, targets_in)
    return Capture(
        caught.accumulated, parts_of(language_model(), batches, mean_loss), caught.counts
    )


def last_short_step() -> Capture:
    """The epoch ends after two of four micro-batches; the loop still divides by four."""
    return _accumulate(language_model(), token_batches((12, 12)), mean_loss, targets_in)


def last_short_batch() -> Capture:
    """Equal micro-batches but for the data set's last, which holds two examples of eight."""
    batches = [_examples(size, seed) for seed, size in enumerate((8, 8, 8, 2))]
    return _accumulate(_regression(), batches, _squared_error, len_of)


def class_weights() -> Capture:
    """Cross-entropy with class weights: its mean divides by the weights, not by the targets."""
    weights = torch.linspace(0.2, 3.0, VOCABULARY)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        inputs, targets = batch
        return F.cross_entropy(
            model(inputs).flatten(0, 1), targets.flatten(), weight=weights, ignore_index=IGNORED
        )

    batches = token_batches((12, 12, 12, 12))  # equal counts, so that only the weights differ
    return _accumulate(language_model(), batches, loss, targets_in, full=_joined(batches))


def batch_norm() -> Capture:
    """Equal micro-batches through BatchNorm: each is normalized by its own statistics."""
    batches = [_examples(8, seed) for seed in range(ACCUMULATE)]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1))
    return _accumulate(model, batches, _squared_error, len_of, full=_joined(batches))


def info_nce() -> Capture:
    """A contrastive loss: each micro-batch is compared with its own negatives only."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        left, right = (F.normalize(model(view), dim=1) for view in batch)
        return F.cross_entropy(left @ right.T / 0.1, torch.arange(len(left)))

    generator = torch.Generator().manual_seed(2)
    views = [torch.randn(8, 5, generator=generator) for _ in range(ACCUMULATE)]
    batches = [(view, view + 0.3 * torch.randn(8, 5, generator=generator)) for view in views]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4))
    return _accumulate(model, batches, loss, len_of, full=_joined(batches))


def root_mean_square() -> Capture:
    """√MSE of each micro-batch, averaged: not the √MSE of the batch."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return _squared_error(model, batch).sqrt()

    batches = [_examples(8, seed, noise=0.2 + seed) for seed in range(ACCUMULATE)]
    return _accumulate(_regression(), batches, loss, len_of, full=_joined(batches))


def len_of(batch: Batch) -> int:
    return len(batch[0])


def _accumulate(
    model: nn.Module,
    batches: Sequence[Batch],
    loss: Loss,
    count: Callable[[Batch], int],
    full: Batch | None = None,
) -> Capture:
    """The tutorial's loop: divide each loss by K, call backward, step after the last."""
    optimizer = CatchingSGD(model)
    optimizer.zero_grad()
    for batch in batches:
        (loss(model, batch) / ACCUMULATE).backward()
    optimizer.step()
    return Capture(
        accumulated=optimizer.handed[0],
        parts=parts_of(model, batches, loss),
        counts=[count(batch) for batch in batches],
        full=None if full is None else gradient_of(model, lambda: loss(model, full)),
    )


def _joined(batches: Sequence[Batch]) -> Batch:
    return torch.cat([inputs for inputs, _ in batches]), torch.cat([y for _, y in batches])


def _regression() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 1))


def _examples(size: int, seed: int, noise: float = 1.0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(size, 5, generator=generator)
    targets = inputs.sum(dim=1) + noise * torch.randn(size, generator=generator)
    return inputs, targets


def _squared_error(model: nn.Module, batch: Batch) -> Tensor:
    return F.mse_loss(model(batch[0]).squeeze(1), batch[1])
