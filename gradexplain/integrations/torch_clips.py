"""Calls of torch's clipping functions, and of its loss scaler, while a window is open."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import utils

GradScaler: Any = getattr(torch.amp, "GradScaler", None) or torch.cuda.amp.GradScaler


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
    Older releases of torch have only the former.
    """
    norm: tuple[Any, Any] = getattr(utils, "clip_grads_with_norm_", None), _by_norm
    norm = norm if norm[0] is not None else (utils.clip_grad_norm_, _by_norm_of_its_own)
    with contextlib.ExitStack() as replaced:
        for function, watched in (norm, (utils.clip_grad_value_, _by_value)):
            replaced.enter_context(_replaced(function, functools.partial(watched, seen=seen)))
        yield


_watched: dict[str, Callable[..., Any]] = {}  # what functions without a closure call instead


@contextlib.contextmanager
def _replaced(function: Any, watched: Callable[[Any], Any]) -> Iterator[None]:  # noqa: ANN401 - torch's
    """Replace a function's body, so that a name that was imported earlier is seen, too.

    Torch wraps its functions so that no gradient is recorded: they call their body through a
    closure. Older releases don't: there the code itself is exchanged.
    """
    if function.__closure__:
        cell = _body(function)
        body = cell.cell_contents
        cell.cell_contents = watched(body)
        try:
            yield
        finally:
            cell.cell_contents = body
        return
    name, code, defaults = function.__name__, function.__code__, function.__defaults__
    before = _watched.get(name)
    _watched[name] = watched(before or FunctionType(code, function.__globals__, name, defaults))
    function.__code__, function.__defaults__ = _FORWARDED[name].__code__, None
    try:
        yield
    finally:
        function.__code__, function.__defaults__ = code, defaults
        _watched.pop(name)
        if before is not None:
            _watched[name] = before


def _norm_forwarded(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - torch's
    """Call what is in the place of `clip_grad_norm_`, from among the names of torch's module."""
    from gradexplain.integrations.torch_clips import _watched as bodies  # noqa: PLC0415

    return bodies["clip_grad_norm_"](*arguments, **named)


def _value_forwarded(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - torch's
    """Call what is in the place of `clip_grad_value_`, from among the names of torch's module."""
    from gradexplain.integrations.torch_clips import _watched as bodies  # noqa: PLC0415

    return bodies["clip_grad_value_"](*arguments, **named)


_FORWARDED: dict[str, Any] = {
    "clip_grad_norm_": _norm_forwarded,
    "clip_grad_value_": _value_forwarded,
}


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


def _by_norm_of_its_own(body: Callable[..., Tensor], seen: Seen) -> Callable[..., Tensor]:
    def clip(parameters: Any, max_norm: float, *arguments: Any, **named: Any) -> Tensor:  # noqa: ANN401 - torch's
        clipped = _listed(parameters)
        norm = body(clipped, max_norm, *arguments, **named)
        whole: Any = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
        seen(clipped, Bound(float(max_norm), whole.detach()))
        return norm

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


def _body(function: Any) -> Any:  # noqa: ANN401 - torch's
    """Return the cell of a closure that holds the body."""
    return dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))["func"]
