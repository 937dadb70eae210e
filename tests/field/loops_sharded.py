"""Loops on workers that hold shards of one model: FSDP2, right and wrong."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from field.loops import Loop, adam, adding_to, tokens
from field.loops_workers import everywhere
from field.tiny import mean_loss, targets_in, token_batches
from gradexplain import Report
from gradexplain.integrations.torch import watch

LENGTHS = (10, 3, 7), (4, 12, 5), (6, 2, 9), (15, 8, 1)  # of the micro-batches of each worker
K = 3
LOOPS: dict[str, Loop] = {}
loop = adding_to(LOOPS)

BFLOAT16 = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)


def sharded(**options: Any) -> Any:
    """Shard a model whose layers are of odd sizes, two of them by themselves."""
    model = tokens(dropout=0.0)
    model[3] = nn.Linear(16, 17)
    for layer in (model[1], model[3]):
        fully_shard(layer, **options)
    return fully_shard(model, **options)


def accumulated(
    model: Any,
    *,
    divisor: Callable[[int, float], float],
    synced: Callable[[int], bool] = lambda k: k == K - 1,
    between: Callable[[Any], object] = lambda _: None,
    before: Callable[[Any], object] = lambda _: None,
    **options: Any,
) -> Report:
    """Accumulate; `divisor(n, N)` is what each micro-batch's sum is divided by."""
    batches = token_batches(LENGTHS[dist.get_rank()])
    optimizer = adam(model)
    total = everywhere(sum(map(targets_in, batches)))
    with watch(model, optimizer, **options) as step:
        for k, batch in enumerate(batches):
            model.set_requires_gradient_sync(synced(k))
            n = targets_in(batch)
            loss = step.tap(mean_loss(model, batch).float(), targets=n)
            (loss * n / divisor(n, total)).backward()
            between(optimizer)
        before(model)
        optimizer.step()
    return step.report()


def globally(_: int, total: float) -> float:
    return total / dist.get_world_size()


def by_batch(n: int, _: float) -> float:
    return n * K


@loop("mean-of-means")
def fsdp2(*, right: bool) -> Report:
    return accumulated(sharded(), divisor=globally if right else by_batch)


@loop("mean-of-means")
def fsdp2_reduced_every_pass(*, right: bool) -> Report:
    model = sharded(reshard_after_forward=False)
    return accumulated(model, divisor=globally if right else by_batch, synced=lambda _: True)


@loop("mean-of-means", "clipped")
def fsdp2_in_bfloat16(*, right: bool) -> Report:
    def clip(model: nn.Module) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), 0.05)

    model = sharded(mp_policy=BFLOAT16)
    return accumulated(model, divisor=globally if right else by_batch, before=clip)


@loop("dropped")
def fsdp2_last_pass_not_reduced(*, right: bool) -> Report:
    return accumulated(sharded(), divisor=globally, synced=lambda k: k == K - (1 if right else 2))


@loop("dropped")
def fsdp2_zeroed_in_the_loop(*, right: bool) -> Report:
    def zero(optimizer: Any) -> None:
        if not right and not hasattr(optimizer, "zeroed"):
            optimizer.zero_grad()
            optimizer.zeroed = True

    return accumulated(sharded(), divisor=globally, synced=lambda _: True, between=zero)


def of_group(_: int, __: float) -> float:
    return sum(targets_in(batch) for batch in token_batches(LENGTHS[dist.get_rank()]))


def whole(_: int, total: float) -> float:
    return total


#: Those that one worker cannot do wrong.
APART: dict[str, Loop] = {}
several = adding_to(APART)


@several("mean-of-group-means")
def fsdp2_each_worker_by_its_own_count(*, right: bool) -> Report:
    return accumulated(sharded(), divisor=globally if right else of_group)


@several("rescaled", "1/W")
def fsdp2_the_workers_are_forgotten(*, right: bool) -> Report:
    return accumulated(sharded(mp_policy=BFLOAT16), divisor=globally if right else whole)


@several("rescaled", "W")
def fsdp2_summed_not_averaged(*, right: bool) -> Report:
    model = sharded()
    for one in (model, model[1], model[3]):
        one.set_force_sum_reduction_for_comms(True)
        one.set_gradient_divide_factor(2.0 if right else 1.0)
    return accumulated(model, divisor=globally)


def second_doubles(*, right: bool) -> Callable[[nn.Module], None]:
    def double(model: nn.Module) -> None:
        for weight in model.parameters():
            if dist.get_rank() == 1 and not right:
                weight.grad.to_local().mul_(2)

    return double


@several("unexplained")
def fsdp2_one_worker_scales_its_shard(*, right: bool) -> Report:
    return accumulated(sharded(), divisor=globally, before=second_doubles(right=right))


@several("workers-disagree")
def fsdp2_hybrid_one_group_scales_its_shards(*, right: bool) -> Report:
    """Each group of workers, here of one, holds all shards, and averages with the others."""
    mesh = init_device_mesh("cpu", (2, 1), mesh_dim_names=("replicate", "shard"))
    return accumulated(sharded(mesh=mesh), divisor=globally, before=second_doubles(right=right))
