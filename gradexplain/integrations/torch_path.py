"""The gradient's way to the optimizer: what each backward pass adds, what the optimizer gets.

Of each gradient one sketch is made as it arrives, in every pass, and one as it is handed over, in
every step. Between the two nothing is read, since sketches of what arrived add up. The last one
can't be left out where a tensor's version says that nothing changed: writes to `.data`, and those
of a reduction into buckets that share its memory, leave the version as it was.
"""

import contextlib
import functools
import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from gradexplain.integrations.torch_clips import Bound
from gradexplain.integrations.torch_passes import Pass, Passes
from gradexplain.integrations.torch_sketch import Sketch, Sketcher

if TYPE_CHECKING:
    from gradexplain.integrations.torch_sharded import Shards


@dataclass(eq=False)
class Clip:
    """What a clip by norm made of a gradient."""

    factor: Tensor  # of this clip and of those since the last backward pass
    bound: Bound
    left: Sketch | None  # of the gradient that it left


@dataclass(eq=False)
class Handed:
    """What one optimizer was handed at its first step."""

    optimizer: str
    names: tuple[str, ...]  # the watched parameters it holds
    passes: tuple[Pass, ...]  # those that ran before its step
    sketches: dict[str, Sketch] = field(default_factory=dict)  # without a name: it had no gradient
    clips: dict[str, Clip] = field(default_factory=dict)  # by parameter
    cut: frozenset[str] = frozenset()  # parameters whose gradients were clipped by value
    scale: float = 1.0  # by which a scaler divided the gradients, or tells the optimizer to
    scaled: bool = False  # whether the optimizer itself divides by it, after it was handed them


class Path:
    """Hooks on the parameters and on the optimizers, from a window's start to its end."""

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        optimizers: Sequence[Any],
        passes: Passes,
        *,
        sketching: bool,
        shards: "Shards | None" = None,
        sparse: Container[str] = (),
    ) -> None:
        """Sketch the gradients that are there already; those that may be `sparse` as a whole."""
        self.parameters = dict(parameters)
        self.names = {id(weight): name for name, weight in self.parameters.items()}
        self.shards = shards
        self.obstacle = "path=False" if not sketching else "" if shards is None else shards.obstacle
        self.handed: list[Handed] = []
        self.forget: Callable[[int], None] = lambda _: None  # called before a closure runs again
        self.sketching = not self.obstacle
        self._optimizers, self._passes, self._sparse = list(optimizers), passes, sparse
        self._sketch = Sketcher()
        self._arrived: dict[str, tuple[Pass, Sketch | None]] = {}
        self._clips: dict[str, Clip] = {}
        self._cut: set[str] = set()
        self._scales: dict[int, float] = {}
        self._stepped: list[Any] = []
        self._closed: set[str] = set()
        self._evaluating: dict[int, Handed | None] = {}
        found = {name: self._sketched(name, one.grad) for name, one in self.parameters.items()}
        self.held = {name: sketch for name, sketch in found.items() if sketch is not None}

    @property
    def passes(self) -> list[Pass]:
        """The passes that added to a gradient, in order."""
        return self._passes.counted

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Set the hooks, and remove them."""
        with contextlib.ExitStack() as hooks:
            managed = set() if self.shards is None else self.shards.managed
            for name, weight in self.parameters.items():
                if name not in managed:
                    self._follow(hooks, name, weight)
            if self.shards is not None:
                hooks.enter_context(self.shards.gathered(functools.partial(self._follow, hooks)))
            hooks.callback(register_optimizer_step_pre_hook(self._before_step).remove)
            hooks.callback(register_optimizer_step_post_hook(self._after_step).remove)
            for optimizer in self._optimizers:
                if not isinstance(optimizer, torch.optim.Optimizer):
                    hooks.enter_context(self._step_watched(optimizer))
            yield

    def _follow(self, hooks: contextlib.ExitStack, name: str, weight: Tensor) -> None:
        """Hook the tensor that backward passes add to."""
        self.names[id(weight)] = name
        hooks.callback(weight.register_hook(self._arriving(name, weight)).remove)
        landing = weight.register_post_accumulate_grad_hook(functools.partial(self._land, name))
        hooks.callback(landing.remove)

    def clipped(self, weights: Sequence[Tensor], bound: Bound | None) -> None:
        """Note a clip: by norm, with its bound, or by value."""
        if bound is not None:
            factor = (bound.most / (bound.norm + 1e-6)).clamp(max=1.0)  # as torch computes it
        for name in self._known(weights):
            if bound is None:
                self._cut.add(name)
            else:
                before = self._clips.get(name)
                left = self._sketched(name, self.parameters[name].grad)
                so_far = factor if before is None else before.factor * factor
                self._clips[name] = Clip(so_far, bound, left)
        held = [name for name, weight in self.parameters.items() if weight.grad is not None]
        if bound is not None and self.passes and set(held) <= set(self._known(weights)):
            last = self.passes[-1]
            last.clipped = factor if last.clipped is None else last.clipped * factor

    def settle(self) -> None:
        """Take no more room than needed between backward passes."""
        self._sketch.settle()

    def unscaled(self, optimizer: Any, scale: float) -> None:  # noqa: ANN401 - any optimizer
        """Note that a scaler divided an optimizer's gradients."""
        self._scales[id(optimizer)] = scale

    def _arriving(self, name: str, weight: Tensor) -> Callable[[Tensor], None]:
        arrived, closed, passes = self._arrived, self._closed, self._passes
        sketched: Callable[[Tensor], Sketch | None] = functools.partial(self._sketched, name)
        if self.shards is None:
            whole = name in self._sparse
            sketched = self._sketch.like(weight, whole=whole) if self.sketching else _unsketched

        def arrive(gradient: Tensor | None) -> None:
            if gradient is not None and name not in closed:
                arrived[name] = passes.current(), sketched(gradient)

        return arrive

    def _land(self, name: str, _: Tensor | None = None) -> None:
        """What arrived at a parameter was added: it counts, and earlier clips do no longer."""
        if name not in self._arrived or name in self._closed:
            return
        one, sketch = self._arrived.pop(name)
        sketches = one.added.setdefault(name, [])
        if sketch is not None:
            sketches.append(sketch)
        if self._clips or self._cut:
            self._clips.pop(name, None)
            self._cut.discard(name)

    def _before_step(self, optimizer: Any, arguments: Any, named: Any) -> Any:  # noqa: ANN401 - torch's
        names = self._concerned(optimizer)
        if not names:
            return None
        if any(optimizer is one for one in self._stepped):
            raise ValueError(
                "watch must see one optimizer step, but "
                f"{type(optimizer).__name__} stepped a second time inside the window: leave it "
                "after the first step (`break`), or watch the run with `watch_every`"
                f"{_accelerate()}"
            )
        closure, wrapped = _closure(arguments, named)
        if closure is None:
            self._hand(optimizer, names)
            return None
        self._evaluating[id(optimizer)] = None
        return wrapped(self._evaluation(optimizer, names, closure))

    def _evaluation(
        self,
        optimizer: Any,  # noqa: ANN401 - any optimizer
        names: Sequence[str],
        closure: Callable[[], Any],
    ) -> Callable[[], Any]:
        """Return the closure, watched: each evaluation takes the place of the one before."""
        mark, clips, cut = len(self._passes.seen), dict(self._clips), set(self._cut)

        def evaluate() -> Any:  # noqa: ANN401 - whatever the closure returns
            self.forget(mark)
            del self._passes.seen[mark:]
            self._clips, self._cut = dict(clips), set(cut)
            value = closure()
            before = self._evaluating[id(optimizer)]
            if before is not None:
                self.handed.remove(before)
            self._evaluating[id(optimizer)] = self._record(optimizer, names)
            return value

        return evaluate

    def _after_step(self, optimizer: Any, *_: Any) -> None:  # noqa: ANN401 - torch's
        if id(optimizer) in self._evaluating:
            handed = self._evaluating.pop(id(optimizer))
            if handed is None:
                raise ValueError(
                    f"watch must see the gradients of the step, but {type(optimizer).__name__} "
                    "never called the closure it was given"
                )
            self._close(optimizer, handed.names)

    def _hand(self, optimizer: Any, names: Sequence[str]) -> None:  # noqa: ANN401 - any optimizer
        for name in names:
            # An optimizer that steps inside the backward pass comes before landing. What arrived
            # in a pass that is over and never landed, `torch.autograd.grad` only returned.
            if name in self._arrived and self._passes.running(self._arrived[name][0]):
                self._land(name)
        self._record(optimizer, names)
        self._close(optimizer, names)

    def _record(self, optimizer: Any, names: Sequence[str]) -> Handed:  # noqa: ANN401 - any optimizer
        # A scaler leaves the division to fused optimizers, and tells them the scale.
        scale = getattr(optimizer, "grad_scale", None)
        gradient = getattr(optimizer, "whole_gradient", None)  # of one that keeps them elsewhere
        handed = Handed(
            getattr(optimizer, "shown_as", type(optimizer).__name__),
            tuple(names),
            tuple(self._passes.counted),
            clips={name: self._clips[name] for name in names if name in self._clips},
            cut=frozenset(self._cut.intersection(names)),
            scale=self._scales.get(id(optimizer), 1.0) if scale is None else float(scale),
            scaled=scale is not None,
        )
        for name in names:
            weight = self.parameters[name]
            arrived = weight.grad if gradient is None else gradient(weight)
            sketch = self._sketched(name, arrived, measured=True)
            if sketch is not None:
                handed.sketches[name] = sketch
        self.handed.append(handed)
        return handed

    def _close(self, optimizer: Any, names: Sequence[str]) -> None:  # noqa: ANN401 - any optimizer
        self._stepped.append(optimizer)
        self._closed.update(names)

    def _concerned(self, optimizer: Any) -> list[str]:  # noqa: ANN401 - any optimizer
        """Return the watched parameters of a watched optimizer."""
        held = _held(optimizer)
        if self._optimizers and not any(held & _held(one) for one in self._optimizers):
            return []
        return [name for name, weight in self.parameters.items() if id(weight) in held]

    def _known(self, weights: Sequence[Tensor]) -> list[str]:
        return [self.names[id(weight)] for weight in weights if id(weight) in self.names]

    def _sketched(
        self, name: str, gradient: Tensor | None, *, measured: bool = False
    ) -> Sketch | None:
        if not self.sketching or gradient is None:
            return None
        part = gradient if self.shards is None else self.shards.part(name, gradient)
        return self._sketch(part, measured=measured, whole=name in self._sparse)

    @contextlib.contextmanager
    def _step_watched(self, optimizer: Any) -> Iterator[None]:  # noqa: ANN401 - any optimizer
        """Watch the `step` of an optimizer that isn't a subclass of torch's, and calls no hooks."""
        original = optimizer.step

        def step(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - its own
            changed = self._before_step(optimizer, (optimizer, *arguments), named)
            given, named = changed or ((optimizer, *arguments), named)
            value = original(*given[1:], **named)
            self._after_step(optimizer)
            return value

        optimizer.step = step
        try:
            yield
        finally:
            del optimizer.step


def _unsketched(_: Tensor) -> None:
    """What is made of a gradient that is not followed."""


def _held(optimizer: Any) -> set[int]:  # noqa: ANN401 - any optimizer
    groups = getattr(optimizer, "param_groups", ())
    return {id(weight) for group in groups for weight in group["params"]}


def _accelerate() -> str:
    """Return why accelerate steps again, where it is used."""
    if "accelerate" not in sys.modules:
        return ""
    return (
        ". accelerate also steps at the end of its dataloader, however few batches came since the "
        "step before: `if accelerator.sync_gradients: break` ends the loop after the first step"
    )


def _closure(
    arguments: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Callable[[], Any] | None, Callable[[Callable[[], Any]], Any]]:
    """Return a step's closure, and how its arguments are with another in its place."""
    if callable(named.get("closure")):
        return named["closure"], lambda other: (arguments, {**named, "closure": other})
    if len(arguments) > 1 and callable(arguments[1]):
        return arguments[1], lambda other: ((arguments[0], other, *arguments[2:]), named)
    return None, lambda _: None
