"""What a `Trainer` knows of its own factors, put beside what was read."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from transformers import Trainer

from gradexplain.audit import Report
from gradexplain.audit.tell.sentences import capitalized
from gradexplain.integrations.torch import divided_wrongly, divides

COUNT_TARGETS = (
    "pass targets=, as in AuditCallback(trainer, targets=...), a function of a micro-batch's "
    "inputs that returns how many targets its loss is over"
)
_NEAR = 1e-2
_SHIFTED = (
    "Let the data collator set the first label of each row, which is never predicted, to -100."
)
_NO_ADVANTAGE = (
    "A micro-batch whose advantages are all 0 shows no weight: audit another step, or each, with "
    "every=1."
)


def hinted(report: Report, trainer: Trainer, items: Any) -> Report:  # noqa: ANN401 - a number, or none
    """Return the report with notes on where its factor comes from, if the trainer shows that.

    Args:
        report: what was read.
        trainer: whose step it was.
        items: the `num_items_in_batch` that `compute_loss` was given.
    """
    if report.ok is None and "step.tap(" in report.to_do:  # a trainer has no step to tap
        report = replace(report, to_do=f"{capitalized(COUNT_TARGETS)}.")
    if divided_wrongly(report) and items is None:
        hints = tuple(filter(None, [divides("The trainer", _parts(trainer))]))
    elif report.ok is False and items is not None:
        before = _counted_before_the_shift(report, float(items))
        hints = (*before, *_hints(report, trainer))
        if before:
            report = replace(report, to_do=_SHIFTED, questions=())
    elif report.ok is None and None in report.weights and "GRPOTrainer" in _kinds(trainer):
        hints = (_NO_ADVANTAGE,)
    else:
        return report
    return replace(report, notes=(*report.notes, *hints))


def _parts(trainer: Trainer) -> int:
    """Return into how many parts the trainer divides a step's losses."""
    steps = getattr(trainer, "current_gradient_accumulation_steps", None)  # older ones: the usual
    return int(steps or trainer.args.gradient_accumulation_steps)


def _kinds(trainer: Trainer) -> list[str]:
    return [kind.__name__ for kind in type(trainer).__mro__]


def _counted_before_the_shift(report: Report, items: float) -> tuple[str, ...]:
    """Say it, if the trainer's count holds labels that nothing predicts."""
    total = sum(part.count or 0 for part in report.parts if part.term in ("", "loss"))
    if total == items or not _near(report.factor * items, total):
        return ()
    counted = f"The trainer divided by {items:g} labels, of which {total:g} are targets"
    return (f"{counted}: it counted them before this model's loss shifts them.",)


def _hints(report: Report, trainer: Trainer) -> Iterator[str]:
    steps = trainer.current_gradient_accumulation_steps
    every = steps * trainer.accelerator.num_processes
    if every == 1 or not (_near(report.factor, steps) or _near(report.factor, every)):
        return
    if any(name == "aux_loss" and verdict != "exact" for name, verdict, _ in report.terms):
        yield (
            "The model adds its router's loss to one that is divided by the step's targets, and "
            "nothing divides it by the number of micro-batches."
        )
    elif trainer.compute_loss_func or type(trainer).compute_loss is not Trainer.compute_loss:
        yield (
            "The trainer leaves the division to your loss, which is given num_items_in_batch: "
            "divide a sum by it."
        )
    else:
        yield (
            "The trainer leaves the division to the model, whose loss does not take "
            "num_items_in_batch: set trainer.model_accepts_loss_kwargs = False, or pass a "
            "compute_loss_func."
        )


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= _NEAR * abs(other)
