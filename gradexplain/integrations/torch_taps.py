"""Taps: the gradient that arrives at a loss is the weight that the loop gives it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradexplain.integrations.torch_origins import calls
from gradexplain.integrations.torch_passes import Pass, Passes
from gradexplain.integrations.torch_scaled import Scaled, by_a_constant

_ADDITIONS = {"AddBackward0", "SubBackward0"}
_LOOKED_AT = 4096  # targets of a loss
_PIPELINES = "torch.distributed.pipelining"
_MARK = "gradexplain"  # in a node's metadata: a tap sees what passes here


@dataclass(frozen=True, eq=False)
class Targets:
    """A glance at a loss's targets, left on their device: their range, and a telling sum."""

    number: int
    glance: Tensor

    @classmethod
    def of(cls, target: Tensor) -> "Targets":
        """Look at the first of them."""
        first = target.detach().reshape(-1)[:_LOOKED_AT].to(torch.float32)
        if not len(first):
            return cls(0, first.new_zeros(3))
        factors = torch.arange(1.0, len(first) + 1, device=first.device).square().sin()
        return cls(len(first), torch.stack([first.min(), first.max(), first @ factors]))


@dataclass(eq=False)
class Tap:
    """One tapped loss, and what arrived at it in each backward pass."""

    term: str
    weight: float | None  # the total that its term is meant to have
    count: float | Tensor | None  # a tensor is read at the end, when no device waits for it
    mask: Tensor | None  # the targets that count, of an unreduced loss
    summed: bool
    value: Tensor
    unit: float = 0.0  # how far a reading may be off, beyond the rounding of its type
    place: int = 0  # how many passes had begun when it was made
    saved: Tensor | None = None  # what the loss's own node divides by, or counts, if it says so
    ignored: Tensor | None = None  # the targets of an unreduced loss that its node leaves out
    scaled: bool = False  # whether it was multiplied or divided before it was tapped
    below: Scaled | None = None  # what a scalar loss is a multiple of
    kind: str = ""  # of the loss whose node a reader found
    targets: Targets | None = None  # a glance at what that node saved of them
    number: Tensor | None = None  # of targets, where the count of a sum is that of their weights
    doubt: str = ""  # what a reader can't know of it
    trial: bool = False  # made where a pipeline tries its shapes out
    recomputed: bool = False  # made inside a backward pass, as a checkpoint does
    readings: dict[Pass, Tensor] = field(default_factory=dict)


class Taps:
    """All taps of a window, in order."""

    def __init__(self, passes: Passes) -> None:
        """Start with none."""
        self.made: list[Tap] = []
        self._passes = passes

    def tap(self, loss: Tensor, **named: Any) -> Tensor:  # noqa: ANN401 - the fields of a Tap
        """Return the loss as it is, with a hook that reads what arrives at it.

        Raises:
            ValueError: it is what another tap returned.
        """
        node = loss.grad_fn
        if node is not None and node.name() == "CloneBackward0" and _MARK in node.metadata:
            raise ValueError("loss must be tapped once, but it is what `tap` returned before")
        tap = Tap(
            value=loss.detach(),
            place=len(self._passes.seen),
            scaled=_scaled(node),
            recomputed=torch._C._current_graph_task_id() != -1,  # noqa: SLF001 - nothing public says it
            trial=_tried_out(),
            **named,
        )
        self.made.append(tap)
        return self.read(loss, tap)

    def read(self, loss: Tensor, tap: Tap) -> Tensor:
        """Return a copy of the loss whose gradient is the tap's reading."""
        # A view would lose its hook to arithmetic in place, such as `loss /= K`; a copy keeps it.
        tapped = loss.clone()
        tapped.register_hook(self._reader(tap))
        tapped.grad_fn.metadata[_MARK] = True
        return tapped

    def forget(self, place: int) -> None:
        """Drop the taps that were made after so many passes: a closure makes them again."""
        self.made = [tap for tap in self.made if tap.place < place]

    def _reader(self, tap: Tap) -> Callable[[Tensor | None], None]:
        def read(gradient: Tensor | None) -> None:
            if gradient is None:
                return
            one, arrived = self._passes.current(), gradient.detach().clone()
            before = tap.readings.get(one)
            tap.readings[one] = arrived if before is None else before + arrived

        return read


def _scaled(node: Any) -> bool:  # noqa: ANN401 - of autograd
    """Tell whether a loss was multiplied by a constant, or adds terms that all were."""
    if node is None:
        return False
    if node.name() in _ADDITIONS:
        terms = [term for term, _ in node.next_functions if term is not None]
        return bool(terms) and all(map(_scaled, terms))
    return by_a_constant(node)


def _tried_out() -> bool:
    """Tell whether a pipeline computes this loss for its shapes alone.

    A stage does that; losses that are trained are computed for the pipeline's schedule.
    """
    if _PIPELINES not in sys.modules:
        return False
    modules = (str(call.f_globals.get("__name__")) for call in calls())
    innermost = next((name for name in modules if name.startswith(_PIPELINES)), None)
    return innermost == f"{_PIPELINES}.stage"


def untapped(roots: Sequence[Any], weights: dict[int, str]) -> str | None:
    """Return a parameter that is reached from the roots without passing a tap, if there is one.

    Args:
        roots: the tensors that a backward pass starts from.
        weights: the watched parameters' names, by their `id`.
    """
    waiting = [root.grad_fn for root in roots if getattr(root, "grad_fn", None) is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if node.name() == "CloneBackward0" and _MARK in node.metadata:
            continue
        name = weights.get(id(getattr(node, "variable", None)))
        if name is not None:
            return name
        for below, _ in node.next_functions:
            if below is not None and below not in seen:
                seen.add(below)
                waiting.append(below)
    return None
