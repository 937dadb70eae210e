"""A tiny language model and micro-batches of unequal length, for every torch case."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VOCABULARY = 16
IGNORED = -100  # the label that torch's cross-entropy leaves out
Batch = tuple[Tensor, Tensor]  # inputs and targets, (2, length) each
Loss = Callable[[nn.Module, Batch], Tensor]


class CatchingSGD(torch.optim.SGD):
    """Keeps a copy of each gradient it is handed, and moves no weight."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model.parameters(), lr=0.1)
        self.model = model
        self.handed: list[dict[str, Tensor]] = []

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        value = closure() if closure is not None else None  # Lightning runs its backward in there
        self.handed.append(gradients(self.model))
        return value


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: weight.grad.detach().clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


def gradient_of(model: nn.Module, loss: Callable[[], Tensor]) -> dict[str, Tensor]:
    model.zero_grad()
    loss().backward()
    found = gradients(model)
    model.zero_grad()
    return found


def parts_of(model: nn.Module, batches: Sequence[Any], loss: Loss) -> list[dict[str, Tensor]]:
    return [gradient_of(model, functools.partial(loss, model, batch)) for batch in batches]


def language_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(VOCABULARY, 8), nn.Tanh(), nn.Linear(8, VOCABULARY))


def token_batches(lengths: Sequence[int] = (40, 6, 14, 4)) -> list[Batch]:
    """Each micro-batch holds two sequences, the second half as long and padded."""
    generator = torch.Generator().manual_seed(1)
    batches = []
    for length in lengths:
        inputs = torch.randint(VOCABULARY, (2, length), generator=generator)
        targets = torch.randint(VOCABULARY, (2, length), generator=generator)
        targets[1, length // 2 :] = IGNORED
        batches.append((inputs, targets))
    return batches


def mean_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Cross-entropy over the targets that count: torch's default reduction is their mean."""
    inputs, targets = batch
    return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def summed_loss(model: nn.Module, batch: Batch) -> Tensor:
    inputs, targets = batch
    return F.cross_entropy(
        model(inputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def targets_in(batch: Batch) -> int:
    return int((batch[1] != IGNORED).sum())
