"""Loops whose ranks hold one model together: pipelines and tensor parallelism, right and wrong."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)

from field.loops import BATCHES, COUNTS, K, Loop, N, adam, adding_to, share, tokens
from field.tiny import IGNORED, VOCABULARY, mean_loss
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
