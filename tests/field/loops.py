"""Training loops as people write them, each in a right and a wrong version, watched.

What a loop needs beyond its own lines is `with watch(...) as step:` and `step.tap(...)`, and after
the loop `step.report()`. `python -m field.print_loops` prints what is said of each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from field.tiny import IGNORED, VOCABULARY, mean_loss, summed_loss, targets_in, token_batches
from gradexplain import Report
from gradexplain.integrations.torch import watch

BATCHES = token_batches((10, 3, 7, 4))
COUNTS = [targets_in(batch) for batch in BATCHES]
N, K = sum(COUNTS), len(BATCHES)


@dataclass(frozen=True)
class Loop:
    """A loop, run with its right or its wrong lines, and what must be said of the wrong ones."""

    run: Callable[..., Report]
    verdict: str
    words: str = ""  # in the report of the wrong version


Run = Callable[..., Report]


def adding_to(table: dict[str, Loop]) -> Callable[..., Callable[[Run], Run]]:
    """Return the decorator that puts a loop into a table, with what its wrong version is called."""

    def loop(verdict: str, words: str = "") -> Callable[[Run], Run]:
        def known(run: Run) -> Run:
            table[run.__name__] = Loop(run, verdict, words)
            return run

        return known

    return loop


LOOPS: dict[str, Loop] = {}
loop = adding_to(LOOPS)


def tokens(dropout: float = 0.1) -> nn.Module:
    """A language model of four layers."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Dropout(dropout), nn.Linear(24, 16))
    return nn.Sequential(nn.Embedding(VOCABULARY, 16), body, nn.LayerNorm(16), nn.Linear(16, 16))


def adam(model: nn.Module, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3, **options)


def share(loss: Tensor, count: float, *, right: bool) -> Tensor:
    """The right weight of a micro-batch's mean, or the usual one."""
    return loss * count / N if right else loss / K


def plain(
    model: nn.Module,
    optimizer: Any,
    divided: Callable[[Tensor, float], Tensor],
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> Report:
    """The loop of most tests; `before` runs before each micro-batch, `after` before the step."""
    with watch(model, optimizer) as step:
        for batch, count in zip(BATCHES, COUNTS, strict=True):
            before()
            loss = step.tap(mean_loss(model, batch), targets=count)
            divided(loss, count).backward()
        after()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def divided_by_the_number_of_batches(*, right: bool) -> Report:
    model = tokens()
    return plain(model, adam(model), lambda loss, n: share(loss, n, right=right))


@loop("mean-of-means", "times 4")
def never_divided(*, right: bool) -> Report:
    model = tokens()
    return plain(model, adam(model), lambda loss, n: loss * n / N if right else loss)


@loop("rescaled", "1/K")
def divided_twice(*, right: bool) -> Report:
    model = tokens()
    return plain(model, adam(model), lambda loss, n: loss * n / N / (1 if right else K))


@loop("dropped", "zeroed")
def zeroed_in_the_loop(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    before = optimizer.zero_grad if not right else lambda: None
    return plain(model, optimizer, lambda loss, n: loss * n / N, before)


@loop("extra-term", "the step before")
def left_over(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    mean_loss(model, BATCHES[2]).backward()
    if right:
        optimizer.zero_grad()
    return plain(model, optimizer, lambda loss, n: loss * n / N)


@loop("rescaled", "1/n")
def own_terms(*, right: bool) -> Report:
    """Its sums are divided by N, or by N twice."""
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            loss = step.tap(summed_loss(model, batch), targets=n, reduction="sum")
            (loss / (N if right else N * N)).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def every_token_shows_its_weight(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for inputs, labels in BATCHES:
            each = F.cross_entropy(model(inputs).transpose(1, 2), labels, reduction="none")
            each = step.tap(each) * (labels != IGNORED)
            count = (labels != IGNORED).sum()
            (each.sum() / N if right else each.sum() / count / K).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means", "8 sequences")
def means_per_sequence(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for inputs, labels in BATCHES:
            mask = labels != IGNORED
            each = F.cross_entropy(model(inputs).transpose(1, 2), labels, reduction="none")
            each = step.tap(each, targets=mask) * mask
            per = each.sum(1) / mask.sum(1)
            (each.sum() / N if right else per.mean() / K).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def clipped_by_norm(*, right: bool) -> Report:
    model = tokens()
    clip = lambda: nn.utils.clip_grad_norm_(model.parameters(), 0.01)  # noqa: E731 - as the others
    return plain(model, adam(model), lambda loss, n: share(loss, n, right=right), after=clip)


@loop("unexplained", "clipped by value")
def clipped_by_value(*, right: bool) -> Report:
    """A bound that none reaches, or one that many do."""
    model = tokens()
    bound = 1e3 if right else 1e-3
    clip = lambda: nn.utils.clip_grad_value_(model.parameters(), bound)  # noqa: E731 - as the others
    return plain(model, adam(model), lambda loss, n: loss * n / N, after=clip)


@loop("mean-of-means")
def clipped_by_groups(*, right: bool) -> Report:
    model = tokens()

    def clip() -> None:
        nn.utils.clip_grad_norm_(model[0].parameters(), 0.01)
        nn.utils.clip_grad_norm_(model[1:].parameters(), 0.02)

    return plain(model, adam(model), lambda loss, n: share(loss, n, right=right), after=clip)


@loop("reweighted")
def clipped_after_each_batch(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            loss = step.tap(mean_loss(model, batch), targets=n)
            (loss * n / N).backward()
            if not right:
                nn.utils.clip_grad_norm_(model.parameters(), 0.05)
        nn.utils.clip_grad_norm_(model.parameters(), 0.05)
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def autocast_to_bfloat16(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = step.tap(mean_loss(model, batch), targets=n)
            share(loss, n, right=right).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def a_bfloat16_model(*, right: bool) -> Report:
    model = tokens().bfloat16()
    return plain(model, adam(model), lambda loss, n: share(loss, n, right=right))


def scaled(*, fused: bool, unscaled: bool, clipped: bool | None = None, right: bool) -> Report:
    model = tokens()
    optimizer, scaler = adam(model, fused=fused), torch.amp.GradScaler("cpu", init_scale=65536.0)
    clipped = unscaled if clipped is None else clipped
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            loss = step.tap(mean_loss(model, batch), targets=n)
            scaler.scale(share(loss, n, right=right)).backward()
        if unscaled:
            scaler.unscale_(optimizer)
        if clipped:
            nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        scaler.step(optimizer)
        scaler.update()
    return step.report()


@loop("mean-of-means")
def a_gradient_scaler(*, right: bool) -> Report:
    return scaled(fused=False, unscaled=False, right=right)


@loop("mean-of-means")
def a_scaler_that_unscales_and_clips(*, right: bool) -> Report:
    return scaled(fused=False, unscaled=True, right=right)


@loop("mean-of-means")
def a_scaler_with_a_fused_optimizer(*, right: bool) -> Report:
    return scaled(fused=True, unscaled=False, right=right)


@loop("rescaled", "clipped while still scaled by 2^16")
def clipped_before_a_scaler_unscales(*, right: bool) -> Report:
    return scaled(fused=False, unscaled=right, clipped=True, right=True)


@loop("rescaled", "Undo the scale before you clip: scaler.unscale_(optimizer).")
def clipped_before_a_fused_optimizer_unscales(*, right: bool) -> Report:
    return scaled(fused=True, unscaled=right, clipped=True, right=True)


@loop("rescaled", "loss scale")
def scaled_by_hand(*, right: bool) -> Report:
    model = tokens()

    def unscale() -> None:
        for weight in model.parameters() if right else ():
            weight.grad /= 1024

    return plain(model, adam(model), lambda loss, n: loss * 1024 * n / N, after=unscale)


def checkpointed(run: Callable[[nn.Module, Tensor], Tensor], *, right: bool) -> Report:
    model = tokens(dropout=0.3)
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for (inputs, labels), n in zip(BATCHES, COUNTS, strict=True):
            logits = run(model, inputs)
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
            share(step.tap(loss, targets=n), n, right=right).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def a_reentrant_checkpoint(*, right: bool) -> Report:
    def run(model: Any, inputs: Tensor) -> Tensor:
        hidden = checkpoint(model[1], model[0](inputs), use_reentrant=True)
        return model[3](checkpoint(model[2], hidden, use_reentrant=True))

    return checkpointed(run, right=right)


@loop("mean-of-means")
def a_checkpoint(*, right: bool) -> Report:
    def run(model: Any, inputs: Tensor) -> Tensor:
        hidden = checkpoint(model[1], model[0](inputs), use_reentrant=False)
        return model[3](model[2](hidden))

    return checkpointed(run, right=right)


@loop("mean-of-means")
def sequential_checkpoints(*, right: bool) -> Report:
    def run(model: Any, inputs: Tensor) -> Tensor:
        return checkpoint_sequential(model[1:], 2, model[0](inputs), use_reentrant=False)

    return checkpointed(run, right=right)


@loop("mean-of-means")
def the_loss_inside_a_checkpoint(*, right: bool) -> Report:
    model = tokens()
    optimizer = adam(model)
    with watch(model, optimizer) as step:

        def loss_of(hidden: Tensor, labels: Tensor, n: int) -> Tensor:
            logits = model[3](model[2](hidden)).flatten(0, 1)
            return share(
                step.tap(F.cross_entropy(logits, labels.flatten()), targets=n), n, right=right
            )

        for (inputs, labels), n in zip(BATCHES, COUNTS, strict=True):
            hidden = model[1](model[0](inputs))
            checkpoint(loss_of, hidden, labels, n, use_reentrant=n % 2 == 0).backward()
        optimizer.step()
    return step.report()


@loop("mean-of-means")
def a_compiled_model(*, right: bool) -> Report:
    model = tokens(dropout=0.0)
    compiled: Any = torch.compile(model, backend="aot_eager")
    return plain(compiled, adam(model), lambda loss, n: share(loss, n, right=right))


@loop("mean-of-means")
def tied_frozen_and_unused_weights(*, right: bool) -> Report:
    model: Any = tokens()
    model[3].weight = model[0].weight
    model[1][0].requires_grad_(requires_grad=False)
    model.unused = nn.Linear(2, 2)
    model.forward = lambda inputs: model[3](model[2](model[1](model[0](inputs))))
    return plain(model, adam(model), lambda loss, n: share(loss, n, right=right))


@loop("mean-of-means")
def adapters_beside_frozen_weights(*, right: bool) -> Report:
    model: Any = tokens().requires_grad_(requires_grad=False).bfloat16()
    down, up = nn.Linear(16, 2, bias=False), nn.Linear(2, 16, bias=False)
    nn.init.normal_(up.weight, std=0.1)
    model.adapter = nn.Sequential(down, up)

    def forward(inputs: Tensor) -> Tensor:
        hidden = model[1](model[0](inputs))
        return model[3](model[2](hidden + model.adapter(hidden.float()).bfloat16()))

    model.forward = forward
    return plain(model, adam(model), lambda loss, n: share(loss, n, right=right))


@loop("uneven")
def part_of_the_gradients_scaled(*, right: bool) -> Report:
    model = tokens()

    def scale() -> None:
        if not right:
            model[0].weight.grad *= 2

    return plain(model, adam(model), lambda loss, n: loss * n / N, after=scale)
