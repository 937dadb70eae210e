"""Watch one step of a DeepSpeed engine, at any ZeRO stage, with or without CPU offload.

    from gradexplain.integrations.deepspeed import watch_engine

    with watch_engine(engine) as step:
        for batch in micro_batches:
            loss = step.tap(mean_loss(engine, batch), targets=n_targets(batch))
            engine.backward(loss)  # divides by gradient_accumulation_steps itself
            engine.step()
    step.report().check()

What each backward pass adds is compared with the gradient that DeepSpeed has put together when its
optimizer steps, before that clips it. Tested with DeepSpeed 0.19.8 on CPU.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from deepspeed.utils import safe_get_full_grad
from torch import Tensor

from gradexplain.integrations.torch import Step, divides, watch
from gradexplain.integrations.torch_clips import Bound

_ROUNDED = 1e-6  # a clip by less is none


@contextlib.contextmanager
def watch_engine(engine: Any, **options: Any) -> Iterator[Step]:  # noqa: ANN401 - DeepSpeed's, and `watch`'s
    """Watch one accumulation step of an engine, as `watch` watches one of a plain loop.

    Args:
        engine: what `deepspeed.initialize` returned first. Every rank runs the same lines.
        options: passed on to `watch`.

    Raises:
        TypeError: `engine` is not a DeepSpeed engine.
        ValueError: as `watch` does.
    """
    optimizer = getattr(engine, "optimizer", None)
    if not hasattr(engine, "module") or not hasattr(optimizer, "step"):
        raise TypeError(f"engine must be DeepSpeed's, not {type(engine).__name__}")
    said = divides("DeepSpeed", engine.gradient_accumulation_steps())
    weights = [weight for weight in engine.module.parameters() if weight.requires_grad]
    if isinstance(optimizer, torch.optim.Optimizer):  # stage 0: the gradients are whole
        with watch(engine.module, optimizer, **options) as step:
            step.divides = said
            clip = _clipping(engine.clip_fp32_gradients, weights, step)
            with _replaced(engine, "clip_fp32_gradients", clip):
                yield step
        return
    whole = Whole(optimizer, weights)
    with (
        _replaced(optimizer, "step", whole.stepped),
        watch(engine.module, whole, **options) as step,
    ):
        step.divides = said
        yield step


@contextlib.contextmanager
def _replaced(owner: Any, name: str, method: Callable[..., Any]) -> Iterator[None]:  # noqa: ANN401 - DeepSpeed's
    """Replace a method of one object, and put back what was there."""
    before = vars(owner).get(name)
    setattr(owner, name, method)
    try:
        yield
    finally:
        delattr(owner, name)
        if before is not None:
            setattr(owner, name, before)


def _clipping(own: Callable[[], None], weights: Sequence[Tensor], step: Step) -> Callable[[], None]:
    """Return DeepSpeed's own clip of whole gradients, which tells by how much it clips."""

    def norm() -> Tensor:
        found = [weight.grad for weight in weights if weight.grad is not None]
        return torch.stack([torch.linalg.vector_norm(g, dtype=torch.float64) for g in found]).norm()

    def clip() -> None:
        before = norm()
        own()
        factor = float(norm() / before)
        if factor < 1 - _ROUNDED:
            bound = Bound(factor * (float(before) + 1e-6), before)
            step._path.clipped(weights, bound)  # noqa: SLF001 - this package's own

    return clip


class Whole:
    """DeepSpeed's optimizer as if it were handed whole gradients."""

    def __init__(self, optimizer: Any, weights: Sequence[Tensor]) -> None:  # noqa: ANN401 - DeepSpeed's
        """Remember its own step."""
        self.shown_as = type(optimizer).__name__
        self.param_groups = [{"params": list(weights)}]
        self._optimizer, self._step = optimizer, optimizer.step

    @property
    def grad_scale(self) -> float | None:
        """The loss scale, which is in the gradients until the step."""
        return float(getattr(self._optimizer, "loss_scale", None) or 1.0)

    def whole_gradient(self, weight: Tensor) -> Tensor | None:
        """Return the gradient that the workers' shards make together; all of them call it."""
        found = safe_get_full_grad(weight)
        return None if found is None else found.detach()

    def stepped(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - its own
        """Step, where `watch` sees it."""
        return self.step(*arguments, **named)

    def step(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - its own
        """Step as DeepSpeed does."""
        return self._step(*arguments, **named)
