"""Watch every n-th step of a PyTorch run, and tell the steps that differ.

    from gradexplain.integrations.torch_every import watch_every

    with watch_every(10, model, optimizer) as run:  # steps 1, 11, 21, …
        for k, batch in enumerate(loader, 1):
            loss = run.tap(mean_loss(model, batch), targets=n_targets(batch))
            (loss / K).backward()  # your lines, unchanged
            if k % K == 0:
                optimizer.step()
                optimizer.zero_grad()
    run.found.check()

Many mistakes happen once an epoch: a short last window, a micro-batch without targets. So let n not
divide the epoch's number of steps, or let it be 1. Between the steps it watches it does nothing.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradexplain.audit.tap.judged import TO_TAP
from gradexplain.audit.tell.report import Report
from gradexplain.audit.tell.steps import Steps
from gradexplain.integrations.torch import Step, accelerated, watch
from gradexplain.integrations.torch_given import Models
from gradexplain.integrations.torch_workers import together, workers

#: Called after each step that was read, with its number and its report.
Told = Callable[[int, Report], None]
#: Called after each step that could not be read, with its number and the reason.
Unread = Callable[[int, str], None]


@contextlib.contextmanager
def watch_every(
    n: int,
    model: Models,
    optimizer: Any,  # noqa: ANN401 - one optimizer, or several
    *,
    on_report: Told | None = None,
    on_unread: Unread | None = None,
    **options: Any,  # noqa: ANN401 - as `watch` has them
) -> "Iterator[Run]":
    """Watch steps 1, 1 + n, 1 + 2n, …; each ends with its optimizer's step, where the next begins.

    Under `torch.distributed` each worker runs the same lines, and the reports are collective. Only
    one run is watched at a time.

    Args:
        n: every how many optimizer steps; 1 watches each.
        model: the module whose parameters are trained, or several.
        optimizer: the optimizer whose steps they are. Of several, a step is over when each of them
            has stepped once.
        on_report: called after each step that was read, with its number, from 1, and its report. It
            runs inside `optimizer.step()`, after the update, and what it raises stops the run.
        on_unread: called after a step that could not be read, with its number and the reason.
            Without it, the first step that cannot be read stops the run.
        options: passed on to `watch`. With path=False a watched step costs least.

    Raises:
        TypeError: `n` is not an integer, or an optimizer is not a `torch.optim.Optimizer`.
        ValueError: `n` is below 1, or the first step cannot be read: nothing was tapped, and
            there is no `on_unread`.
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"n must be an integer, not {type(n).__name__}")
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    run = Run(n, model, _plain(optimizer), on_report, on_unread, options)
    run.divides = accelerated(optimizer)
    with run.watched():
        yield run


class Run:
    """A run, as `watch_every` sees it; `found` holds what was found so far."""

    def __init__(
        self,
        n: int,
        model: Models,
        optimizers: Sequence[torch.optim.Optimizer],
        on_report: Told | None,
        on_unread: Unread | None,
        options: dict[str, Any],
    ) -> None:
        """Begin before the first step; `watch_every` makes it."""
        self.found = Steps()
        self.steps = 0  # that were taken
        self._n, self._model, self._optimizers = n, model, optimizers
        self.divides, self.to_tap = "", TO_TAP  # as a `Step` has them
        self._on_report, self._on_unread, self._options = on_report, on_unread, options
        self._looked = False  # whether a step was read, or said to be unread
        self._window = contextlib.ExitStack()
        self._step: Step | None = None
        self._given_up = ""  # why the open window is not to be read
        self._waiting: set[int] = set()

    @property
    def watching(self) -> bool:
        """Whether the step that is under way is watched."""
        return self._step is not None

    def tap(self, loss: Tensor, targets: Any = None, **named: Any) -> Tensor:  # noqa: ANN401 - as `Step.tap`
        """Return the loss, its values unchanged; in a step that is watched, tapped.

        Takes what `Step.tap` takes.
        """
        return loss if self._step is None else self._step.tap(loss, targets, **named)

    def skip(self) -> None:
        """Say that the backward passes since the last step lead to none.

        It is seen without this where the gradients are not finite, and `zero_grad` is called.
        """
        if self._step is not None:
            self._given_up = "backward passes before it led to no step"

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Follow the steps; `watch_every` does it."""
        with contextlib.ExitStack() as hooks:
            hooks.callback(self._end)
            for optimizer in self._optimizers:
                hooks.callback(optimizer.register_step_post_hook(self._stepped).remove)
            for owner in (torch.optim.Optimizer, nn.Module):
                hooks.enter_context(_around_zeroing(owner, self._zeroing, self._zeroed))
            self._begin()
            yield

    def _begin(self) -> None:
        """Open a window, if the step that comes next is to be watched."""
        self._waiting = {id(each) for each in self._optimizers}
        if self.steps % self._n and self._looked:
            return
        window = watch(self._model, list(self._optimizers), **self._options)
        self._step = self._window.enter_context(window)

    def _stepped(self, optimizer: Any, *_: Any) -> None:  # noqa: ANN401 - torch's
        # An optimizer's own hooks run before those of all optimizers, where a window has its own:
        # so the window can be closed here, and the next one opened.
        self._waiting.discard(id(optimizer))
        if self._waiting:
            return
        self.steps += 1
        step, given_up = self._close()
        if step is not None:
            self._read(step, given_up)
        self._begin()

    def _end(self) -> None:
        step, _ = self._close()
        if step is not None and step.passes:
            self.found.add_unread(self.steps + 1, "the run ended before the optimizer stepped")

    def _close(self) -> tuple[Step | None, str]:
        self._window.close()
        step, given_up = self._step, self._given_up
        self._step, self._given_up = None, ""
        return step, given_up

    def _read(self, step: Step, given_up: str) -> None:
        """Add the step's report; one that can't be read stops the run only if none was before."""
        step.divides, step.to_tap = step.divides or self.divides, self.to_tap
        try:
            # Workers meet even if one gave up, so that none waits for it.
            report = together(lambda: _raised(given_up), _none) if given_up else step.report()
        except (ValueError, RuntimeError) as error:
            skipped = given_up or "given up" in str(error)
            if not (self._looked or skipped or self._on_unread):
                raise
            self.found.add_unread(self.steps, given_up or str(error))
            if self._on_unread is not None and not skipped:
                self._looked = True
                self._on_unread(self.steps, str(error))
            return
        self._looked = True
        self.found.add(self.steps, report)
        if self._on_report is not None:
            self._on_report(self.steps, report)

    def _zeroing(self) -> None:
        """Give the window up, if gradients that are not finite are zeroed before a step."""
        if self._step is None or self._given_up or not self._step.passes:
            return
        every = (weight for each in self._optimizers for weight in _weights(each))
        if any(not bool(torch.isfinite(w.grad).all()) for w in every if w.grad is not None):
            self._given_up = (
                "passes before it, whose gradients were not finite and were zeroed without a step"
            )

    def _zeroed(self) -> None:
        """Open the window anew, if all gradients of one that was given up are zeroed.

        Several workers keep it: not all may have given up, and their reports are one.
        """
        untouched = len(self._waiting) == len(self._optimizers)
        if not self._given_up or not untouched or workers() > 1:
            return
        every = (weight.grad for each in self._optimizers for weight in _weights(each))
        if any(bool((grad != 0).any()) for grad in every if grad is not None):
            return
        _, given_up = self._close()
        self.found.add_unread(self.steps + 1, given_up)
        self._begin()


def _raised(reason: str) -> Report:
    raise ValueError(f"given up: {reason}")


def _none(_: list[Report]) -> Report:
    raise AssertionError  # never: a worker has raised


def _plain(optimizer: Any) -> list[torch.optim.Optimizer]:  # noqa: ANN401 - one or several
    """Return the optimizers, without the wrappers that frameworks put around them.

    Raises:
        TypeError: one is not a `torch.optim.Optimizer`.
    """
    found = []
    for one in optimizer if isinstance(optimizer, list | tuple) else [optimizer]:
        inner = one
        while not hasattr(inner, "_optimizer_step_post_hooks") and hasattr(inner, "optimizer"):
            inner = inner.optimizer
        if not isinstance(inner, torch.optim.Optimizer):
            raise TypeError(f"optimizer must be one of torch's, not {type(one).__name__}")
        found.append(inner)
    return found


def _weights(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    return (weight for group in optimizer.param_groups for weight in group["params"])


@contextlib.contextmanager
def _around_zeroing(
    owner: Any,  # noqa: ANN401 - a class
    before: Callable[[], None],
    after: Callable[[], None],
) -> Iterator[None]:
    """Call a function before each `zero_grad` of a class, and one after it."""
    original = owner.zero_grad

    def zero_grad(self: Any, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - torch's
        before()
        original(self, *arguments, **named)
        after()

    owner.zero_grad = zero_grad
    try:
        yield
    finally:
        owner.zero_grad = original
