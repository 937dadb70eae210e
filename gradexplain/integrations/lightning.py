"""Watch steps of a Lightning `Trainer`: your own module, data and strategy.

    from gradexplain.integrations.lightning import AuditCallback

    trainer = Trainer(accumulate_grad_batches=4, callbacks=[AuditCallback()])
    trainer.fit(module, loader)

Steps of the run itself are watched: nothing is computed twice. Tested with Lightning 2.4.0 and
2.6.6, on one process and on two with DDP, in float32 and with precision="bf16-mixed", with
automatic and with manual optimization.
"""

import contextlib
import sys
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from gradexplain.audit.tell.report import Report
from gradexplain.audit.tell.steps import Steps
from gradexplain.integrations.torch import divides
from gradexplain.integrations.torch_every import Run, watch_every

_TO_TAP = "call this callback's own tap in training_step: loss = audit.tap(loss, targets=...)"


class AuditCallback(Callback):
    """Watches the first step of a run, or each n-th, and says what its losses weigh.

    A loss is read at its place in autograd's graph, if it is a cross-entropy, binary or not, or a
    mean squared error. Tap any other in `training_step`, before anything scales it:
    `loss = audit.tap(loss, targets=n)`, where `audit` is this callback.

    Args:
        every: watch steps 1, 1 + every, 1 + 2 every, …; only the first by default.
        on_wrong: "warn", or "raise" from the training loop, if a step does not average as intended,
            or cannot be read.
        options: passed on to `watch`.

    Attributes:
        found: what was found so far; `found.check()` makes a test of it.

    Raises:
        ValueError: `on_wrong` or `every` makes no sense.
    """

    def __init__(
        self,
        every: int | None = None,
        on_wrong: str = "warn",
        **options: Any,  # noqa: ANN401 - as `watch` has them
    ) -> None:
        """Prepare to watch; nothing is changed before the training begins."""
        if every is not None and (isinstance(every, bool) or not isinstance(every, int)):
            raise ValueError(f"every must be a whole number or None, not {every!r}")
        if every is not None and every < 1:
            raise ValueError(f"every must be at least 1, not {every}")
        if on_wrong not in {"warn", "raise"}:
            raise ValueError(f'on_wrong must be "warn" or "raise", not {on_wrong!r}')
        self.found = Steps()
        self._every, self._on_wrong = every or sys.maxsize, on_wrong
        self._options = options
        self._hooks = contextlib.ExitStack()
        self._run: Run | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to watch."""
        self._hooks.close()
        run = watch_every(
            self._every,
            pl_module,
            trainer.optimizers,
            on_report=self._say,
            on_unread=self._say_unread,
            **self._options,
        )
        self._run = self._hooks.enter_context(run)
        parts = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
        self._run.divides, self._run.to_tap = divides("Lightning", parts), _TO_TAP
        self.found = self._run.found

    def tap(self, loss: torch.Tensor, targets: Any = None, **named: Any) -> torch.Tensor:  # noqa: ANN401 - as `Step.tap`
        """Return the loss, its values unchanged; in a step that is watched, tapped.

        Takes what `Step.tap` takes.
        """
        return loss if self._run is None else self._run.tap(loss, targets, **named)

    def on_train_end(self, *_: Any) -> None:  # noqa: ANN401 - Lightning's
        """Watch no more."""
        self._run = None
        self._hooks.close()

    def on_exception(self, *_: Any) -> None:  # noqa: ANN401 - Lightning's
        """Watch no more."""
        self.on_train_end()

    def _say(self, step: int, report: Report) -> None:
        """Say what a step reads, if none before it read the same."""
        if self._on_wrong == "raise" and report.ok is False:
            report.check()
        if not self.found.is_new(step):
            return
        if report.ok:
            rank_zero_info(f"audit of step {step}: {report.line}")
        else:
            rank_zero_warn(f"audit of step {step}: {report}")

    def _say_unread(self, step: int, reason: str) -> None:
        """Say that a step was not read, once for each reason.

        Raises:
            ValueError: `on_wrong` is "raise".
        """
        said = f"step {step} was not audited: {reason}"
        if self._on_wrong == "raise":
            raise ValueError(said)
        if self.found.unread[reason] == [step]:
            rank_zero_warn(said)
