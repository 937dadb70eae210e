"""Loops that differ in how they step: closures, optimizers of all kinds, frameworks' wrappers."""

from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from field.loops import BATCHES, COUNTS, K, Loop, N, adam, adding_to, plain, share, tokens
from field.loops_kinds import ALL, samples, vectors
from field.tiny import VOCABULARY, mean_loss
from gradexplain import Report
from gradexplain.integrations.torch import watch

LOOPS: dict[str, Loop] = {}
loop = adding_to(LOOPS)


def with_closure(optimizer: torch.optim.Optimizer, model: nn.Module, *, right: bool) -> Report:
    with watch(model, optimizer) as step:

        def closure() -> float:
            optimizer.zero_grad()
            total = 0.0
            for x in samples():
                mean = F.mse_loss(model(x), x.flip(1))
                loss = step.tap(mean, targets=len(x)) * (len(x) / ALL if right else 1 / 3)
                loss.backward()
                total += loss.item()
            return total

        optimizer.step(closure)
    return step.report()


@loop("mean-of-means")
def lbfgs(*, right: bool) -> Report:
    model = vectors()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4, line_search_fn="strong_wolfe")
    return with_closure(optimizer, model, right=right)


@loop("mean-of-means")
def adam_with_a_closure(*, right: bool) -> Report:
    model = vectors()
    return with_closure(adam(model), model, right=right)


class Own(torch.optim.SGD):
    """An optimizer of one's own, with a step of its own."""

    def step(self, _: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.data -= 0.1 * weight.grad.sign()


class Stranger:
    """An optimizer that is none of torch's."""

    def __init__(self, weights: Any) -> None:
        self.param_groups = [{"params": list(weights)}]

    def step(self) -> None:
        for weight in self.param_groups[0]["params"]:
            weight.data -= 0.1 * weight.grad


def optimized(optimizer: Any, model: nn.Module, *, right: bool) -> Report:
    return plain(model, optimizer, lambda loss, n: share(loss, n, right=right))


@loop("mean-of-means")
def an_optimizer_for_all_at_once(*, right: bool) -> Report:
    model = tokens()
    return optimized(adam(model, foreach=True), model, right=right)


@loop("mean-of-means")
def adafactor(*, right: bool) -> Report:
    model = tokens()
    return optimized(torch.optim.Adafactor(model.parameters()), model, right=right)


@loop("mean-of-means")
def momentum_and_decay(*, right: bool) -> Report:
    model = tokens()
    sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    return optimized(sgd, model, right=right)


@loop("mean-of-means")
def an_own_subclass(*, right: bool) -> Report:
    model = tokens()
    return optimized(Own(model.parameters(), lr=0.1), model, right=right)


@loop("mean-of-means")
def a_stranger(*, right: bool) -> Report:
    model = tokens()
    return optimized(Stranger(model.parameters()), model, right=right)


@loop("mean-of-means")
def no_optimizer_given(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            share(step.tap(mean_loss(model, batch), targets=n), n, right=right).backward()
        optimizer.step()
    return step.report()


@loop("dropped", "SGD: A is the mean gradient")
def two_optimizers_for_one_model(*, right: bool) -> Report:
    """Matrices go to one, the rest to the other, which is zeroed too often in the wrong loop."""
    model = tokens()
    wide = [weight for weight in model.parameters() if weight.ndim > 1]
    rest = [weight for weight in model.parameters() if weight.ndim == 1]
    optimizers = torch.optim.SGD(wide, lr=0.1), torch.optim.AdamW(rest, lr=1e-3)
    with watch(model, optimizers) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            if not right:
                optimizers[1].zero_grad()
            (step.tap(mean_loss(model, batch), targets=n) * n / N).backward()
        for optimizer in optimizers:
            optimizer.step()
    return step.report()


@loop("mean-of-means")
def sparse_embeddings(*, right: bool) -> Report:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(VOCABULARY, 16, sparse=True), nn.Linear(16, VOCABULARY))
    return optimized(torch.optim.SGD(model.parameters(), lr=0.1), model, right=right)


@loop("rescaled")
def an_optimizer_inside_the_backward_pass(*, right: bool) -> Report:
    model = tokens()
    steps = {w: torch.optim.SGD([w], lr=0.1) for w in model.parameters()}

    def step_now(weight: Any) -> None:
        steps[weight].step()
        steps[weight].zero_grad()

    hooks = [w.register_post_accumulate_grad_hook(step_now) for w in model.parameters()]
    with watch(model, list(steps.values())) as step:
        loss = step.tap(mean_loss(model, BATCHES[0]), targets=COUNTS[0])
        (loss if right else loss / K).backward()
    for hook in hooks:
        hook.remove()
    return step.report()


def accelerated(*, right: bool, **options: Any) -> Report:
    """The guide's loop for samples of variable size, or the usual one, with its own clipping."""
    accelerator = Accelerator(gradient_accumulation_steps=K, cpu=True, **options)
    plain_model = tokens()
    model, optimizer = accelerator.prepare(plain_model, adam(plain_model))
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            with accelerator.accumulate(model):
                loss = step.tap(mean_loss(model, batch), targets=n)
                accelerator.backward(loss * n * K / N if right else loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 0.01)
                optimizer.step()
                optimizer.zero_grad()
    return step.report()


@loop("mean-of-means")
def accelerate(*, right: bool) -> Report:
    AcceleratorState._reset_state()  # noqa: SLF001 - as below
    return accelerated(right=right)


@loop("mean-of-means")
def accelerate_in_bfloat16(*, right: bool) -> Report:
    AcceleratorState._reset_state()  # noqa: SLF001 - one process has one precision, otherwise
    return accelerated(right=right, mixed_precision="bf16")
