"""Loops on two workers, right and wrong, each of whose workers runs the same lines."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel

from field.loops import Loop, adam, adding_to, tokens
from field.tiny import Batch, mean_loss, targets_in, token_batches
from gradexplain import Report
from gradexplain.integrations.torch import watch

WORKERS = 2
LENGTHS = (10, 3, 7), (4, 12, 5), (6, 2, 9), (15, 8, 1)  # of the micro-batches of each worker
LOOPS: dict[str, Loop] = {}
loop = adding_to(LOOPS)


def mine() -> list[Batch]:
    return token_batches(LENGTHS[dist.get_rank()])


def everywhere(count: float) -> float:
    """Add a number up over the workers."""
    total = torch.tensor(float(count))
    dist.all_reduce(total)
    return float(total)


def parallel(
    *,
    divisor: Callable[[int, float], float],
    synced: Callable[[int], bool] = lambda k: k == 2,
    before: Callable[[nn.Module], object] = lambda _: None,
    model: nn.Module | None = None,
    hook: Any = None,
    bare: Callable[[nn.Module], bool] = lambda _: False,
    stepping: Callable[[nn.Module], Any] = adam,
) -> Report:
    """Accumulate with `no_sync`; `divisor(n, N)` is what each micro-batch's sum is divided by."""
    inner = tokens() if model is None else model
    wrapped = DistributedDataParallel(inner)
    if hook is not None:
        wrapped.register_comm_hook(None, hook)
    optimizer, batches = stepping(inner), mine()
    total = everywhere(sum(map(targets_in, batches)))
    with watch(wrapped, optimizer) as step:
        for k, batch in enumerate(batches):
            n = targets_in(batch)
            with contextlib.nullcontext() if synced(k) else wrapped.no_sync():
                loss = step.tap(mean_loss(inner if bare(inner) else wrapped, batch), targets=n)
                (loss * n / divisor(n, total)).backward()
        before(inner)
        nn.utils.clip_grad_norm_(inner.parameters(), 0.05)
        optimizer.step()
    return step.report()


def globally(_: int, total: float) -> float:
    return total / dist.get_world_size()


def by_batch(n: int, _: float) -> float:
    return n * 3


def by_worker(_: int, __: float) -> float:
    return sum(targets_in(batch) for batch in mine())


@loop("mean-of-means")
def the_number_of_batches(*, right: bool) -> Report:
    return parallel(divisor=globally if right else by_batch)


@loop("mean-of-group-means")
def each_worker_by_its_own_count(*, right: bool) -> Report:
    return parallel(divisor=globally if right else by_worker)


@loop("rescaled", "1/W")
def the_workers_are_forgotten(*, right: bool) -> Report:
    return parallel(divisor=globally if right else lambda _, total: total)


@loop("workers-disagree")
def never_synchronized(*, right: bool) -> Report:
    return parallel(divisor=globally, synced=lambda k: right and k == 2)


@loop("workers-disagree")
def synchronized_too_early(*, right: bool) -> Report:
    """Only the first of three is reduced, so the others stay with their worker."""
    return parallel(divisor=globally, synced=lambda k: k == (2 if right else 0))


@loop("workers-disagree")
def one_worker_scales_its_own(*, right: bool) -> Report:
    def scale(model: nn.Module) -> None:
        for weight in model.parameters():
            if dist.get_rank() == 1 and not right and weight.grad is not None:
                weight.grad *= 2

    return parallel(divisor=globally, before=scale)


@loop("mean-of-means")
def gradients_sent_in_half_precision(*, right: bool) -> Report:
    return parallel(divisor=globally if right else by_batch, hook=fp16_compress_hook)


@loop("mean-of-means")
def a_bfloat16_model_on_workers(*, right: bool) -> Report:
    return parallel(divisor=globally if right else by_batch, model=tokens().bfloat16())


@loop("mean-of-means", "ZeroRedundancyOptimizer")
def an_optimizer_sharded_over_workers(*, right: bool) -> Report:
    """Each worker steps the parameters of its shard; the gradients are whole."""

    def sharded(model: nn.Module) -> Any:
        return ZeroRedundancyOptimizer(model.parameters(), torch.optim.AdamW, lr=1e-3)

    return parallel(divisor=globally if right else by_batch, stepping=sharded)


@loop("rescaled", "W")
def summed_by_hand(*, right: bool) -> Report:
    """Without DDP: an all-reduce of one's own, whose sum is divided by the workers, or not."""
    model = tokens()
    optimizer, batches = adam(model), mine()
    total = everywhere(sum(map(targets_in, batches)))
    with watch(model, optimizer) as step:
        for batch in batches:
            n = targets_in(batch)
            (step.tap(mean_loss(model, batch), targets=n) * n * WORKERS / total).backward()
        for weight in model.parameters():
            dist.all_reduce(weight.grad)
            weight.grad /= WORKERS if right else 1
        optimizer.step()
    return step.report()


@loop("workers-disagree", "gradients differ: 1, first 0.weight")
def one_gradient_is_not_reduced(*, right: bool) -> Report:
    model = tokens()
    optimizer, batches = adam(model), mine()
    total = everywhere(sum(map(targets_in, batches)))
    with watch(model, optimizer) as step:
        for batch in batches:
            n = targets_in(batch)
            (step.tap(mean_loss(model, batch), targets=n) * n * WORKERS / total).backward()
        for name, weight in model.named_parameters():
            if right or name != "0.weight":
                dist.all_reduce(weight.grad)
                weight.grad /= WORKERS
        optimizer.step()
    return step.report()


@loop("reweighted", "clipped its own gradient before they were averaged")
def clipped_before_the_average(*, right: bool) -> Report:
    model = tokens()
    optimizer, batches = adam(model), mine()
    total = everywhere(sum(map(targets_in, batches)))
    with watch(model, optimizer) as step:
        for batch in batches:
            n = targets_in(batch)
            (step.tap(mean_loss(model, batch), targets=n) * n * WORKERS / total).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1e6 if right else 0.05)
        for weight in model.parameters():
            dist.all_reduce(weight.grad)
            weight.grad /= WORKERS
        optimizer.step()
    return step.report()


@loop("workers-disagree")
def each_worker_clips_by_a_norm_of_its_own(*, right: bool) -> Report:
    def clip(model: nn.Module) -> None:
        most = 0.01 if right else 0.01 * (1 + dist.get_rank())
        nn.utils.clip_grad_norm_(model.parameters(), most)

    return parallel(divisor=globally, before=clip)


@loop("workers-disagree")
def one_worker_clips_by_value(*, right: bool) -> Report:
    def clip(model: nn.Module) -> None:
        most = 1e6 if right or dist.get_rank() != 1 else 1e-5
        nn.utils.clip_grad_value_(model.parameters(), most)

    return parallel(divisor=globally, before=clip)
