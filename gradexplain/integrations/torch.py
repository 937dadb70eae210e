"""Record one accumulation step of a PyTorch loop, then audit it.

    from gradexplain.integrations.torch import record

    with record(model) as step:
        for batch in micro_batches:
            (mean_loss(model, batch) / len(micro_batches)).backward()
        optimizer.step()
    loss = lambda batch: mean_loss(model, batch)
    print(step.audit(loss, micro_batches, counts))

The loop stays as it is. Its gradient is read where the optimiser takes it, unscaled and clipped.
The parts are computed again afterwards, at the loop's weights and with its random numbers, and
must point where its backward passes pointed.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.optimizer import register_optimizer_step_pre_hook

from gradexplain.audit import Report, audit_accumulation
from gradexplain.integrations.torch_state import (
    State,
    copied,
    modes,
    random_state,
    set_random_state,
)

Gradient = dict[str, Tensor | None]
APART = 1e-3  # a part this far, of its length, from its backward pass's direction is another's
HALF_APART = 0.05  # the same in half precision
HALVES = ("bfloat16", "float16")


@contextlib.contextmanager
def record(model: nn.Module, scaler: Any = None) -> "Iterator[Step]":  # noqa: ANN401 - torch's
    """Watch one accumulation step, its optimiser's step included, then `audit` what it yields.

    It holds copies of the weights and of K + 1 gradients, these on the CPU.

    Args:
        model: the module that the loop calls, in one process.
        scaler: the loop's `torch.amp.GradScaler`, if it has one.

    Raises:
        ValueError: several processes train together: each of them sees its own parts only.
    """
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    workers = torch.distributed.get_world_size() if distributed else 1
    if workers > 1:
        raise ValueError(
            f"record needs all parts in one process, not {workers}: let each worker sketch its own"
        )
    step = Step(model, scale=1.0 if scaler is None else float(scaler.get_scale()))
    with contextlib.ExitStack() as hooks:
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                hooks.callback(weight.register_hook(step.adder(name)).remove)
        hooks.callback(model.register_forward_pre_hook(step.enter).remove)
        hooks.callback(register_optimizer_step_pre_hook(step.hand_over).remove)
        yield step


@dataclass
class Pass:
    """One backward pass: the random state before its forward pass, and what it added."""

    random: list[Tensor]
    added: dict[str, Tensor] = field(default_factory=dict)


class Step:
    """What `record` saw of one accumulation step."""

    def __init__(self, model: nn.Module, scale: float) -> None:
        """Copy the weights, and the gradients that are there already."""
        self.model, self.scale = model, scale
        self.start = State(model)
        self.held = {name: copied(g) for name, g in self.start.gradients.items() if g is not None}
        self.passes: list[Pass] = []
        self.handed: Gradient = {}
        self.troubles: list[str] = []
        self.arithmetic: str | None = None
        self._random, self._forwarded = self.start.random, False

    def enter(self, *_: object) -> None:
        """Before a forward pass: note the random state, the modes and autocast."""
        device = next(self.model.parameters()).device.type
        if torch.is_autocast_enabled(device):
            self.arithmetic = str(torch.get_autocast_dtype(device)).removeprefix("torch.")
        if not self._forwarded:
            self._random, self._forwarded = random_state(), True
            self.start.modes = modes(self.model)

    def adder(self, name: str) -> Callable[[Tensor], None]:
        """Return a hook that keeps what each backward pass adds to one parameter."""

        def add(gradient: Tensor) -> None:
            # A forward pass since, or this parameter once more: another backward pass has begun.
            if self._forwarded or not self.passes or name in self.passes[-1].added:
                self.passes.append(Pass(self._random))
                self._random, self._forwarded = random_state(), False
            self.passes[-1].added[name] = copied(gradient)

        return add

    def hand_over(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        """Before an optimiser's step: keep the gradients that it is about to use."""
        names = {id(weight): name for name, weight in self.model.named_parameters()}
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        mine = {names[id(w)]: w.grad for w in weights if id(w) in names}
        if mine and not self.passes:
            self.troubles.append("its step came before any backward pass (the loop in a closure?)")
        if mine.keys() & self.handed.keys():
            self.troubles.append("the optimiser took more than one step")
        self.handed |= {n: None if g is None else copied(g) for n, g in mine.items()}

    def audit(
        self,
        loss: Callable[[Any], Tensor],
        micro_batches: Iterable[Any],
        counts: Iterable[float],
        full: Any = None,  # noqa: ANN401 - whatever `loss` takes
        **options: Any,  # noqa: ANN401 - as audit_accumulation has them
    ) -> Report:
        """Compute the parts again, and audit what the optimiser was handed.

        Afterwards the model, its gradients and the random state are what they were before.

        Args:
            loss: a micro-batch's own mean loss, with autocast where the loop has it.
            micro_batches: those of the recorded step, in order.
            counts: how many targets each micro-batch's mean is over.
            full: the step's micro-batches as one batch that `loss` can take; not with dropout.
            options: passed on to `audit_accumulation`.

        Raises:
            ValueError: no optimiser step was recorded, or more than one; there are not as many
                micro-batches as backward passes; a micro-batch's gradient is not what its backward
                pass added; or `full` is given for a loss that draws random numbers.
        """
        batches = list(micro_batches)
        self._check(len(batches))
        now, notes = State(self.model), list(self._notes(full))
        try:
            self.start.restore(self.model)
            parts = [self._part(loss, batches, k) for k in range(len(batches))]
            if any(random for _, random in parts):
                notes.append("the loss draws random numbers: its parts were given the loop's own")
                if full is not None:
                    raise ValueError(
                        "full must be left out, for the loss draws random numbers (dropout?): "
                        "one batch would draw others than its parts"
                    )
            whole = None if full is None else self._gradient(loss, full)
        finally:
            now.restore(self.model)
        if any(gradient.any() for gradient in self.held.values()):
            held = {name: self.held.get(name) for name in self.handed}
            options["extra"] = {"gradients held before": held, **(options.get("extra") or {})}
        options.setdefault("arithmetic", self.arithmetic)
        report = audit_accumulation(
            self.handed, [g for g, _ in parts], counts=counts, full=whole, **options
        )
        return replace(report, notes=(*report.notes, *notes))

    def _check(self, K: int) -> None:
        if not self.handed:
            self.troubles = ["no optimiser took one (a scaler skips it where it meets infinity)"]
        if self.troubles:
            raise ValueError(f"record must see one accumulation step, but {self.troubles[0]}")
        if len(self.passes) != K:
            raise ValueError(
                f"micro_batches must be as many as the backward passes, {len(self.passes)}, not {K}"
            )

    def _part(self, loss: Callable[[Any], Tensor], batches: list[Any], k: int) -> Any:  # noqa: ANN401
        """Return the k-th part, and whether it drew random numbers."""
        seen = self.passes[k]
        set_random_state(seen.random)
        part = self._gradient(loss, batches[k])
        random = not all(map(torch.equal, seen.random, random_state()))
        apart = _apart(part, seen.added)
        if apart > (HALF_APART if self.arithmetic in HALVES else APART):
            raise ValueError(
                f"micro_batches[{k}] must give the gradient that backward pass {k} added, but its "
                f"direction is {apart:.2g} of a length off: other data, another loss, or randomness"
            )
        return part, random

    def _gradient(self, loss: Callable[[Any], Tensor], batch: Any) -> Gradient:  # noqa: ANN401
        for weight in self.model.parameters():
            weight.grad = None
        (loss(batch) * self.scale).backward()  # float16 would lose small gradients unscaled
        found = {n: w.grad for n, w in self.model.named_parameters() if n in self.handed}
        return {n: None if g is None else copied(g) / self.scale for n, g in found.items()}

    def _notes(self, full: object) -> Iterator[str]:
        training = self.start.modes
        layers = dict(self.model.named_modules())
        normed = [n for n, m in layers.items() if isinstance(m, _BatchNorm) and training[n]]
        if normed and full is None:
            yield (
                f"{normed[0]} normalises each part by its own statistics, so even the parts' mean "
                "is not the whole batch's gradient: give full to see how far off"
            )
        if self.scale != 1:
            yield f"the gradient was read after the scaler had divided by {self.scale:g}"


def _apart(part: Gradient, added: dict[str, Tensor]) -> float:
    """Return how far a part is from the nearest multiple of what was added, over its length."""
    pairs = [
        (g.double(), added[n].double()) for n, g in part.items() if g is not None and n in added
    ]
    along = sum(float((g * a).sum()) for g, a in pairs)
    own = sum(float((g * g).sum()) for g, _ in pairs)
    other = sum(float((a * a).sum()) for _, a in pairs)
    if own == 0 or other == 0:
        return float(own != other)
    return max(0.0, 1 - along**2 / (own * other)) ** 0.5
