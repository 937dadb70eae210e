"""Hugging Face accelerate: `with accelerator.accumulate(model)`, and the loop its guide adds."""

from typing import Any

from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader

from field.capture import Capture
from field.tiny import (
    Batch,
    CatchingSGD,
    language_model,
    mean_loss,
    parts_of,
    summed_loss,
    targets_in,
    token_batches,
)

PACKAGE = "accelerate"
ACCUMULATE = 4
LENGTHS = (40, 6, 14, 4, 10, 30)  # an epoch of six micro-batches: a step of four and one of two


def unequal_tokens() -> Capture:
    """Four micro-batches whose token counts differ."""
    return _accumulate(LENGTHS[:4], step=0)


def last_step_of_epoch() -> Capture:
    """The epoch's last optimizer step: two micro-batches are left where four are asked for."""
    return _accumulate(LENGTHS, step=1)


def variable_size() -> Capture:
    """The loop of accelerate's guide for samples of variable size: a sum over a global count."""
    batches = token_batches(LENGTHS[:4])
    accelerator, model, optimizer, loader = _prepared(batches)
    samples = list(loader)
    items = accelerator.gather(sum((targets != -100).sum() for _, targets in samples)).sum().item()
    for batch in samples:
        loss = summed_loss(model, batch) * ACCUMULATE * accelerator.num_processes / items
        accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    return _capture(model, optimizer, batches, step=0)


def _accumulate(lengths: tuple[int, ...], step: int) -> Capture:
    batches = token_batches(lengths)
    accelerator, model, optimizer, loader = _prepared(batches)
    for batch in loader:
        with accelerator.accumulate(model):
            accelerator.backward(mean_loss(model, batch))
            optimizer.step()
            optimizer.zero_grad()
    return _capture(model, optimizer, batches[step * ACCUMULATE :], step)


def _prepared(batches: list[Batch]) -> tuple[Accelerator, nn.Module, Any, Any]:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=ACCUMULATE)
    model = language_model()
    loader: Any = DataLoader(batches, batch_size=None)
    return accelerator, *accelerator.prepare(model, CatchingSGD(model), loader)


def _capture(model: nn.Module, optimizer: Any, batches: list[Batch], step: int) -> Capture:
    handed = optimizer.optimizer.handed  # accelerate wraps the optimizer it is given
    return Capture(
        accumulated=handed[step],
        parts=parts_of(model, batches, mean_loss),
        counts=[targets_in(batch) for batch in batches],
    )
