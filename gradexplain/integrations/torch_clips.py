"""Calls of torch's clipping functions, and of its loss scaler, while a window is open."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CellType
from typing import Any

from torch import Tensor
from torch.amp import GradScaler
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_


@dataclass(frozen=True)
class Bound:
    """What a clip by norm was given, and the norm that it saw."""

    most: float
    norm: Tensor


#: Called after each clip with the parameters, and the bound of their norm; None by value.
Seen = Callable[[list[Tensor], Bound | None], None]


@contextlib.contextmanager
def clips_seen(seen: Seen) -> Iterator[None]:
    """Call `seen` after each clipping, by whatever name it is called.

    `clip_grad_norm_` computes a norm and calls `clip_grads_with_norm_`, as others do themselves.
    Both functions call their body through a closure (torch wraps them so that no gradient is
    recorded). The body is replaced there, so that a name imported earlier is seen, too.
    """
    with contextlib.ExitStack() as replaced:
        for function, watched in ((clip_grads_with_norm_, _by_norm), (clip_grad_value_, _by_value)):
            cell = _body(function)
            replaced.callback(setattr, cell, "cell_contents", cell.cell_contents)
            cell.cell_contents = watched(cell.cell_contents, seen)
        yield


@contextlib.contextmanager
def scales_seen(seen: Callable[[Any, float], None]) -> Iterator[None]:
    """Call `seen` with each optimizer whose gradients a scaler divides, and by which scale."""
    original = GradScaler.unscale_

    def unscale(scaler: GradScaler, optimizer: Any) -> None:  # noqa: ANN401 - any optimizer
        original(scaler, optimizer)
        if scaler.is_enabled():
            seen(optimizer, float(scaler.get_scale()))

    GradScaler.unscale_ = unscale
    try:
        yield
    finally:
        GradScaler.unscale_ = original


def _by_norm(body: Callable[..., None], seen: Seen) -> Callable[..., None]:
    def clip(parameters: Any, max_norm: float, total_norm: Tensor, foreach: Any = None) -> None:  # noqa: ANN401 - torch's
        clipped = _listed(parameters)
        body(clipped, max_norm, total_norm, foreach)
        whole = total_norm.full_tensor() if hasattr(total_norm, "full_tensor") else total_norm
        seen(clipped, Bound(float(max_norm), whole.detach()))  # of shards it is a DTensor

    return clip


def _by_value(body: Callable[..., None], seen: Seen) -> Callable[..., None]:
    def clip(parameters: Any, clip_value: float, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - torch's
        every = _listed(parameters)
        cut = [p for p in every if p.grad is not None and bool((p.grad.abs() > clip_value).any())]
        body(every, clip_value, *arguments, **named)
        if cut:
            seen(cut, None)

    return clip


def _listed(parameters: Any) -> list[Tensor]:  # noqa: ANN401 - torch's
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _body(function: Any) -> CellType:  # noqa: ANN401 - a function of torch's
    return dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))["func"]
