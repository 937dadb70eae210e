"""Loops whose ranks hold one model together: pipelines and tensor parallelism, right and wrong."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.nn.functional import all_gather
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)
from torch.nn.parallel import DistributedDataParallel

from field.loops import BATCHES, COUNTS, K, Loop, N, adam, adding_to, share, tokens
from field.loops_workers import everywhere
from field.tiny import IGNORED, VOCABULARY, mean_loss, targets_in
from gradexplain import Report
from gradexplain.integrations.torch import Step, watch

LOOPS: dict[str, Loop] = {}
loop = adding_to(LOOPS)

ROWS = 4  # of a batch, each a micro-batch of the pipeline
LossOf = Callable[[Step, Tensor, Tensor], Tensor]


def rows() -> tuple[Tensor, Tensor]:
    """Return a batch whose rows have 8, 6, 4 and 2 targets."""
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randint(VOCABULARY, (ROWS, 8), generator=generator)
    targets = torch.randint(VOCABULARY, (ROWS, 8), generator=generator)
    for row in range(ROWS):
        targets[row, 8 - 2 * row :] = IGNORED
    return inputs, targets


def piped(
    loss_of: LossOf, *, scaled: bool, schedule: Any = ScheduleGPipe, replicas: int | None = None
) -> Report:
    """Train one step of a pipeline, a stage for each rank, of which the last has the loss."""
    model, rank, stages = tokens(), dist.get_rank(), dist.get_world_size()
    half = model if stages == 1 else model[2:] if rank else model[:2]
    stage = PipelineStage(half, rank, stages, torch.device("cpu"))
    optimizer, (inputs, targets) = adam(half), rows()
    with watch(half, optimizer, replicas=replicas or stages) as step:
        run = schedule(
            stage, ROWS, loss_fn=lambda out, y: loss_of(step, out, y), scale_grads=scaled
        )
        if stages == 1:
            run.step(inputs, target=targets)
        elif rank == 0:
            run.step(inputs)
        else:
            run.step(target=targets)
        optimizer.step()
    return step.report()


def cross_entropy(step: Step, out: Tensor, y: Tensor, reduction: str) -> Tensor:
    loss = F.cross_entropy(
        out.flatten(0, 1), y.flatten(), ignore_index=IGNORED, reduction=reduction
    )
    return step.tap(loss, targets=(y != IGNORED).sum(), reduction=reduction)


def mean(step: Step, out: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(step, out, y, "mean")


def share_of_all(step: Step, out: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(step, out, y, "sum") / int((rows()[1] != IGNORED).sum())


def summed(step: Step, out: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(step, out, y, "sum")


@loop("mean-of-means")
def a_pipeline_that_scales_its_gradients(*, right: bool) -> Report:
    """Means of unequal micro-batches, divided by their number."""
    return piped(share_of_all, scaled=False) if right else piped(mean, scaled=True)


@loop("rescaled", "1/K")
def a_pipeline_that_divides_twice(*, right: bool) -> Report:
    return piped(share_of_all, scaled=not right, schedule=Schedule1F1B)


@loop("rescaled", "n = 20")
def a_pipeline_that_never_divides(*, right: bool) -> Report:
    return piped(share_of_all if right else summed, scaled=False)


def in_parts(model: nn.Module) -> nn.Module:
    """Let the ranks hold a model's two inner layers together."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),), mesh_dim_names=("tp",))
    return parallelize_module(model, mesh, {"1.0": ColwiseParallel(), "1.3": RowwiseParallel()})


def tensor_parallel(divided: Callable[[Tensor, float], Tensor], **options: Any) -> Report:
    model = in_parts(tokens(dropout=0.0))
    optimizer = adam(model)
    with watch(model, optimizer, replicas=dist.get_world_size(), **options) as step:
        for batch, count in zip(BATCHES, COUNTS, strict=True):
            divided(step.tap(mean_loss(model, batch), targets=count), count).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def tensor_parallel_layers(*, right: bool) -> Report:
    return tensor_parallel(lambda loss, n: share(loss, n, right=right))


@loop("rescaled", "1/K")
def tensor_parallel_layers_divided_twice(*, right: bool) -> Report:
    return tensor_parallel(lambda loss, n: loss * n / N / (1 if right else K))


class Attention(nn.Module):
    """Causal attention over a sequence of which each rank holds a piece, and all the weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.inner, self.head = nn.Linear(8, 24), nn.Linear(8, VOCABULARY)

    def forward(self, piece: Tensor) -> Tensor:
        q, k, v = self.inner(self.embedding(piece)).chunk(3, dim=-1)
        k, v = (torch.cat(all_gather(each.contiguous()), dim=1) for each in (k, v))
        start = dist.get_rank() * q.shape[1]
        seen = torch.arange(k.shape[1]) <= start + torch.arange(q.shape[1])[:, None]
        return self.head(F.scaled_dot_product_attention(q, k, v, seen))


def context_parallel(divisor: Callable[[float], float], **options: Any) -> Report:
    """Train on one sequence, whose first tokens are a prompt; `divisor` gets this rank's count.

    Torch's own `context_parallel` has no attention for CPUs (as of 2.13), so the keys and values
    are gathered by hand.
    """
    generator = torch.Generator().manual_seed(2)
    inputs, targets = torch.randint(VOCABULARY, (2, 1, 32), generator=generator)
    targets[:, :10] = IGNORED
    own = slice(16 * dist.get_rank(), 16 * (dist.get_rank() + 1))
    batch = inputs[:, own], targets[:, own]
    model = DistributedDataParallel(Attention())
    optimizer, n = adam(model), targets_in(batch)
    with watch(model, optimizer, **options) as step:
        (step.tap(mean_loss(model, batch), targets=n) * n / divisor(n)).backward()
        optimizer.step()
    return step.report()


def of_all_pieces(n: float) -> float:
    return everywhere(n) / dist.get_world_size()


@loop("mean-of-means")
def a_sequence_in_pieces(*, right: bool) -> Report:
    """Each rank has a loss of its own tokens, so it counts as a worker: `replicas` is 1."""
    return context_parallel(of_all_pieces if right else float)


@loop("rescaled", "1/W")
def a_sequence_whose_ranks_are_forgotten(*, right: bool) -> Report:
    return context_parallel(of_all_pieces if right else everywhere)
