"""Which backward pass is running, where it starts, and which of them added to a gradient."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradexplain.integrations.torch_sketch import Sketch

Roots = Sequence[Any]  # the tensors that a backward pass starts from


@dataclass(eq=False)
class Pass:
    """One backward pass, and the parameters that it added to."""

    task: int | None = None  # torch's own number of a pass that nobody announced
    added: dict[str, list[Sketch]] = field(default_factory=dict)  # empty where none is made
    clipped: Tensor | None = None  # the factor of clips of all gradients, before the next pass
    origin: Any = None  # where a reader found it to come from
    untapped: str | None = None  # a way from its roots to a parameter that passes no tap


class Passes:
    """All backward passes of a window, in order.

    A pass begins with `torch.autograd.backward`, which `Tensor.backward` calls too. Passes inside
    it, such as those of reentrant checkpoints, are its own. A pass that begins elsewhere is known
    by torch's number for it. Those that add nothing, `torch.autograd.grad` among them, don't count.
    """

    def __init__(self) -> None:
        """Start with none."""
        self.seen: list[Pass] = []
        self._running: Pass | None = None

    @property
    def counted(self) -> list[Pass]:
        """The passes that added to a gradient."""
        return [one for one in self.seen if one.added]

    def running(self, one: Pass) -> bool:
        """Tell whether a pass is running now."""
        task = torch._C._current_graph_task_id()  # noqa: SLF001 - nothing public tells passes apart
        return one is self._running or (one.task is not None and one.task == task)

    def current(self) -> Pass:
        """Return the pass that is running, from inside one of its hooks."""
        if self._running is not None:
            return self._running
        task = torch._C._current_graph_task_id()  # noqa: SLF001 - nothing public tells passes apart
        if not self.seen or self.seen[-1].task != task:
            self.seen.append(Pass(task))
        return self.seen[-1]

    @contextlib.contextmanager
    def watched(
        self, begin: Callable[[Pass, Roots], None], end: Callable[[Pass], None]
    ) -> Iterator[None]:
        """Call `begin` with each pass and its roots before the pass runs, and `end` after it."""
        original = torch.autograd.backward

        def backward(tensors: Any, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - torch's
            if self._running is not None:
                original(tensors, *arguments, **named)
                return
            one = self._running = Pass()
            self.seen.append(one)
            try:
                begin(one, [tensors] if isinstance(tensors, Tensor) else list(tensors))
                original(tensors, *arguments, **named)
                end(one)
            finally:
                self._running = None

        torch.autograd.backward = backward
        try:
            yield
        finally:
            torch.autograd.backward = original
