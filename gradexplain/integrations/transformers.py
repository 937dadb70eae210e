"""Watch one step of a Hugging Face `Trainer`: your own trainer, model and data.

    from gradexplain.integrations.transformers import audit_trainer

    audit_trainer(trainer).check()

The trainer trains for one optimizer step, which moves its weights, and stops.
"""

from typing import Any

from transformers import Trainer, TrainerCallback

from gradexplain.audit import Report
from gradexplain.integrations.torch import watch


def audit_trainer(trainer: Trainer, **options: Any) -> Report:  # noqa: ANN401 - as `watch` has them
    """Train for one optimizer step, and return what its losses weigh.

    The weights are read without a tap, from what the model returns and from its loss's place in
    autograd's graph; a loss that cannot be read so is tapped in the trainer's `compute_loss`, in
    a window of your own: `with watch(trainer.model) as step: trainer.train()`, with max_steps=1.

    Args:
        trainer: as you would train it; the step is its first.
        options: passed on to `watch`.

    Raises:
        ValueError: no loss could be read, or the trainer took no step.
    """
    stop = _StopAfterOneStep()
    trainer.add_callback(stop)
    try:
        with watch(trainer.model, **options) as step:
            trainer.train()
    finally:
        trainer.remove_callback(stop)
    return step.report()


class _StopAfterOneStep(TrainerCallback):
    def on_step_end(self, _: Any, __: Any, control: Any, **___: Any) -> None:  # noqa: ANN401 - theirs
        control.should_training_stop = True
