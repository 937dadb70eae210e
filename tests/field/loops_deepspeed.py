"""Loops of a DeepSpeed engine, right and wrong, at every ZeRO stage, on one worker or several."""

import functools
import importlib
from collections.abc import Callable
from typing import Any

import deepspeed
import torch
import torch.distributed as dist

from field.loops import Loop, adding_to, tokens
from field.loops_sharded import LENGTHS, K
from field.loops_workers import everywhere
from field.tiny import mean_loss, targets_in, token_batches
from gradexplain import Report
from gradexplain.integrations.deepspeed import watch_engine

#: Its kernel for shared memory is compiled when it is first used; gloo does as well here.
communication: Any = importlib.import_module("deepspeed.comm.torch")
communication.build_shm_op = lambda: None

LOOPS: dict[str, Loop] = {}
loop = adding_to(LOOPS)


def engine_of(stage: int, *, offload: bool = False, bfloat16: bool = False) -> Any:
    zero = {"stage": stage, **({"offload_optimizer": {"device": "cpu"}} if offload else {})}
    model = tokens(dropout=0.0)
    return deepspeed.initialize(
        model=model,
        optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3),
        dist_init_required=False,
        config={
            "train_micro_batch_size_per_gpu": 1,
            "gradient_accumulation_steps": K,
            "gradient_clipping": 0.05,
            "zero_optimization": zero,
            "bf16": {"enabled": bfloat16},
            "zero_force_ds_cpu_optimizer": False,
            "zero_allow_untested_optimizer": True,
        },
    )[0]


def accumulated(
    engine: Any,
    shared: Callable[[int, float], float],
    between: Callable[[int], object] = lambda _: None,
) -> Report:
    """Accumulate; `shared(n, N)` is what each micro-batch's mean is multiplied by."""
    batches = token_batches(LENGTHS[dist.get_rank()])
    total = everywhere(sum(map(targets_in, batches)))
    with watch_engine(engine) as step:
        for k, batch in enumerate(batches):
            n = targets_in(batch)
            loss = step.tap(mean_loss(engine, batch).float(), targets=n)
            engine.backward(loss * shared(n, total))
            between(k)
            engine.step()
    return step.report()


def globally(n: int, total: float) -> float:
    """The engine divides by the micro-batches, and averages over the workers."""
    return n / total * K * dist.get_world_size()


def alike(_: int, __: float) -> float:
    return 1.0


def stage(number: int, *, right: bool, **options: bool) -> Report:
    return accumulated(engine_of(number, **options), globally if right else alike)


for number in range(4):
    for options in ({}, {"bfloat16": True}, {"offload": True}):
        if number or "offload" not in options:
            name = " ".join([f"zero {number}", *options])
            run = functools.partial(stage, number, **options)
            LOOPS[name] = Loop(run, "mean-of-means", f"DeepSpeed divides each loss by {K}")


@loop("rescaled", "once too often")
def divided_by_the_loop_too(*, right: bool) -> Report:
    times = 1 if right else 1 / K
    return accumulated(engine_of(1), lambda n, total: globally(n, total) * times)


@loop("dropped")
def lost_on_the_way_to_the_cpu(*, right: bool) -> Report:
    """What the CPU has accumulated is overwritten, as in DeepSpeed before 0.18.10."""
    engine = engine_of(2, offload=True)

    def lose(k: int) -> None:
        if k == 0 and not right:
            for gradient in engine.optimizer.accumulated_grads_in_cpu.values():
                gradient.zero_()

    return accumulated(engine, globally, lose)


APART: dict[str, Loop] = {}
several = adding_to(APART)


@several("rescaled", "1/W")
def the_workers_are_forgotten_by_deepspeed(*, right: bool) -> Report:
    times = 1.0 if right else 1 / dist.get_world_size()
    return accumulated(engine_of(3), lambda n, total: globally(n, total) * times)


@several("workers-disagree")
def never_reduced_by_deepspeed(*, right: bool) -> Report:
    engine = engine_of(0)
    engine.enable_backward_allreduce = right
    return accumulated(engine, globally)
