"""What a `Trainer` knows of its own factors, beside what was read."""

from dataclasses import replace
from typing import Any

from gradexplain.audit import Report

_NEAR = 1e-2


def hinted(report: Report, trainer: Any, items: Any) -> Report:  # noqa: ANN401 - a trainer's
    """Return the report with a note on where its factor comes from, if the trainer shows that.

    Args:
        report: what was read.
        trainer: whose step it was.
        items: the `num_items_in_batch` that its `compute_loss` was given.
    """
    if report.ok is not False or items is None or not report.factor:
        return report
    counts = [part.count for part in report.parts if part.term in ("", "loss")]
    total = sum(count for count in counts if count is not None)
    items = float(items)
    steps = trainer.current_gradient_accumulation_steps
    if total != items and abs(report.factor * items / total - 1) < _NEAR:
        said = (
            f"The trainer divided by {items:g} labels, of which {total:g} are targets: it counted "
            "this model's labels before they are shifted."
        )
        return replace(report, notes=(*report.notes, said))
    workers = trainer.accelerator.num_processes
    for factor, by in ((steps, f"{steps}"), (steps * workers, f"{steps} × {workers}")):
        if factor > 1 and abs(report.factor / factor - 1) < _NEAR:
            said = (
                "The trainer left the division by its number of targets to the model, whose loss "
                f"does not take num_items_in_batch: hence × {by}. Set "
                "trainer.model_accepts_loss_kwargs = False, or pass a compute_loss_func."
            )
            return replace(report, notes=(*report.notes, said))
    return report
