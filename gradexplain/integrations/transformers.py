"""Watch a step of a Hugging Face `Trainer`, or of TRL's: your own trainer, model and data.

    from gradexplain.integrations.transformers import AuditCallback

    trainer.add_callback(AuditCallback(trainer))
    trainer.train()

A step of the run itself is watched: nothing is computed twice, and nothing is restored.
"""

import contextlib
import functools
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from transformers import Trainer, TrainerCallback

from gradexplain.audit import Report
from gradexplain.audit.tell.steps import Steps
from gradexplain.integrations.torch import Step, watch
from gradexplain.integrations.transformers_hints import COUNT_TARGETS, hinted
from gradexplain.integrations.trl import Reading, reading_of

_log = logging.getLogger(__name__)


class AuditCallback(TrainerCallback):
    """Watches a step of a trainer's run, and reports what its losses weigh.

    The summary goes where the trainer logs, as "audit". The weights are read off what the model
    returns and off the loss's place in autograd's graph. TRL's trainers are known: DPO and reward
    models are judged by pairs, GRPO by its `loss_type`.

    Args:
        trainer: the trainer that the callback is added to.
        step: which step of the run, the first one by default.
        every: watch each n-th step after that one, too; steps that read alike are reported once.
        on_wrong: "warn", or "raise" from the training loop, if a step does not average as intended.
        targets: a function of a micro-batch's inputs that returns how many targets its loss is
            over, such as `lambda inputs: (inputs["labels"][:, 1:] != -100).sum()`. The loss that
            `compute_loss` returns is then tapped with that count. What it divides a sum by itself,
            such as `num_items_in_batch`, is seen. Only a loss that cannot be read otherwise needs
            it: a focal loss, or another that depends on the model's probabilities.
        options: passed on to `watch`; `path=False` is the cheapest.

    Attributes:
        found: what was found so far; `found.check()` makes a test of it.

    Raises:
        TypeError: `trainer` is no trainer.
        ValueError: an argument makes no sense, or what this trainer averages cannot be read.
    """

    def __init__(
        self,
        trainer: Trainer,
        step: int = 1,
        every: int | None = None,
        on_wrong: str = "warn",
        *,
        targets: Callable[[Mapping[str, Any]], Any] | None = None,
        **options: Any,  # noqa: ANN401 - as `watch` has them
    ) -> None:
        """Prepare to watch; of the trainer only `train` is changed, to end the window with it."""
        if not isinstance(trainer, Trainer):
            raise TypeError(f"trainer must be a Trainer, not {type(trainer).__name__}")
        for name, given in (("step", step), ("every", 1 if every is None else every)):
            if isinstance(given, bool) or not isinstance(given, int) or given < 1:
                raise ValueError(f"{name} must be a whole number, 1 or more, not {given!r}")
        if on_wrong not in {"warn", "raise"}:
            raise ValueError(f'on_wrong must be "warn" or "raise", not {on_wrong!r}')
        self.found = Steps()
        self._trainer, self._options = trainer, options
        self._step, self._every, self._on_wrong = step, every, on_wrong
        self._reading = reading_of(trainer) if targets is None else Reading(targets)
        self._window = contextlib.ExitStack()
        self._watched: Step | None = None
        self._taken = 0
        self._items: Any = None
        trainer.train = self._closing(trainer.train)  # no callback hears of an error

    def on_train_begin(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - theirs
        """Start to count the steps."""
        self._close()
        self.found, self._taken = Steps(), 0
        self._open()

    def on_step_begin(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - theirs
        """Open the window again, as the model may have changed since the step before.

        Older releases carry a short window into the next epoch, and begin its step late: so the
        window opens as the step before ends.
        """
        if self._watched is not None and not self._watched.passes:
            self._close()
            self._open()

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:  # noqa: ANN401 - theirs
        """Close the window, say what was seen, and open the next one, if it is time."""
        watched = self._close()
        self._taken += 1
        if watched is not None:
            self._end(watched, state.global_step, control)
        if not control.should_training_stop:
            self._open()

    def _open(self) -> None:
        later = self._taken + 1 - self._step
        if later == 0 or (later > 0 and self._every is not None and later % self._every == 0):
            self._watched = self._window.enter_context(watch(self._trainer.model, **self._options))
            self._watched.to_tap = COUNT_TARGETS
            self._watched.readers.one_objective = True  # a pass for each call of `compute_loss`
            self._window.enter_context(self._losses_watched(self._watched))

    def _end(self, watched: Step, number: int, control: Any) -> None:  # noqa: ANN401 - theirs
        if self._trainer.accelerator.optimizer_step_was_skipped:
            self._taken -= self._every is None  # a loss scaler's doing: the next step will do
            return
        report = self._read(watched, number)
        if report is None:
            return
        self.found.add(number, report)
        if self.found.is_new(number):
            self._say(report, number, control)

    def on_train_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - theirs
        """Say if no step was watched."""
        self._close()
        if self._taken < self._step:
            _log.warning("Step %d was not audited: the run had %d.", self._step, self._taken)

    def _closing(self, train: Callable[..., Any]) -> Callable[..., Any]:
        """Return a trainer's `train` that leaves no window open, whatever it raises."""

        @functools.wraps(train)
        def closing(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - theirs
            try:
                return train(*arguments, **named)
            finally:
                self._close()

        return closing

    def _close(self) -> Step | None:
        watched, self._watched = self._watched, None
        self._window.close()
        return watched

    @contextlib.contextmanager
    def _losses_watched(self, step: Step) -> Iterator[None]:
        """Replace the trainer's `compute_loss`, and put it back."""
        trainer = self._trainer
        step.apart = True  # as in DPO, whose losses are all log 2 at first
        original, own = trainer.compute_loss, vars(trainer).get("compute_loss")
        self._items = None

        @functools.wraps(original)
        def compute_loss(model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401 - theirs
            if not torch.is_grad_enabled():  # an evaluation
                return original(model, inputs, *rest, **named)
            given = dict(inputs)  # the trainer takes the labels away
            self._items = named.get("num_items_in_batch")
            found = original(model, inputs, *rest, **named)
            if self._reading.explain is not None:
                self._reading.explain(given, step.readers.outputs)
            if self._reading.targets is None:
                return found
            count = self._reading.targets(given)
            if isinstance(found, tuple):
                return (step.tap(found[0], targets=count), *found[1:])
            return step.tap(found, targets=count)

        trainer.compute_loss = compute_loss
        try:
            yield
        finally:
            if own is None:
                del trainer.compute_loss
            else:
                trainer.compute_loss = own

    def _read(self, watched: Step, number: int) -> Report | None:
        """Return what the step's losses weigh; None if that cannot be read.

        Raises:
            ValueError: it cannot be read, and `on_wrong` is "raise".
        """
        try:
            report = watched.report()
        except (ValueError, RuntimeError) as error:  # the latter where another worker's failed
            said = f"step {number} was not audited: {error}"
            if self._on_wrong == "raise":
                raise ValueError(said) from error
            _log.warning(said)
            self.found.add_unread(number, str(error))
            return None
        return hinted(report, self._trainer, self._items)

    def _say(self, report: Report, number: int, control: Any) -> None:  # noqa: ANN401 - theirs
        # The base class's `log`: TRL's would end the window that its own metrics are averaged over.
        # Logging takes the wish to log back, which the trainer's own metrics of this step need.
        wished = control.should_log
        Trainer.log(self._trainer, {"audit": report.line})
        control.should_log = wished
        if report.ok is False and self._on_wrong == "raise":
            report.check()
        if report.ok is not True and not report.quiet:
            said = f"Step {number} of the run:\n{report}"
            if report.ok is None:
                _log.warning(said)
            else:
                warnings.warn(said, stacklevel=2)


def audit_trainer(trainer: Trainer, **options: Any) -> Report:  # noqa: ANN401 - as the callback has them
    """Train for one optimizer step, which moves the parameters, and return what its losses weigh.

    Args:
        trainer: as you would train it; the step is its first.
        options: passed on to `AuditCallback`.

    Raises:
        ValueError: the step cannot be read, or the trainer took none.
    """
    once = _Once(trainer, on_wrong="raise", **options)
    trainer.add_callback(once)
    try:
        trainer.train()
    finally:
        trainer.remove_callback(once)
    if not once.found.alike:
        raise ValueError("trainer must take a step, but its data has none")
    return once.found.worst.report


class _Once(AuditCallback):
    """Stops after the step, and leaves it to the caller to say what was found."""

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:  # noqa: ANN401 - theirs
        super().on_step_end(_, state, control, **__)
        control.should_training_stop = bool(self.found.alike)

    def _say(self, *_: object) -> None:
        """Say nothing."""
