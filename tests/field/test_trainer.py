"""`audit_trainer`: one step of a real Trainer is read, and nothing of it is left behind."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import Trainer, TrainerCallback

from field.cases.transformers_trainer import MeanLossTrainer, make_trainer
from gradexplain.integrations.torch_state import State
from gradexplain.integrations.transformers import audit_trainer

OLD = transformers.__version__ == "4.45.2"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> str:
    return str(tmp_path)


def test_the_trainer_reads_as_its_release_does(folder: str) -> None:
    report = audit_trainer(make_trainer(Trainer, folder))
    assert report.verdict.value == ("mean of means" if OLD else "exact")
    if OLD:
        assert report.weights == pytest.approx([0.25] * 4, abs=1e-5)
    assert len(set(report.counts or ())) > 1


def test_a_loss_of_ones_own_reads_as_a_mean_of_means(folder: str) -> None:
    report = audit_trainer(make_trainer(MeanLossTrainer, folder))
    assert report.verdict.value == "mean of means"
    assert report.factor == pytest.approx(1 if OLD else 4, abs=1e-4)  # newer ones don't divide it


def test_dropout_and_clipping_do_not_blur_it(folder: str) -> None:
    trainer = make_trainer(Trainer, folder, max_grad_norm=1e-3)
    trainer.model.config.attention_dropout = 0.3
    for layer in trainer.model.model.layers:
        layer.self_attn.attention_dropout = 0.3
    report = audit_trainer(trainer)
    assert report.verdict.value == ("mean of means" if OLD else "exact")
    assert any("random numbers" in note for note in report.notes)


def test_label_smoothing_is_the_trainers_own_loss(folder: str) -> None:
    report = audit_trainer(make_trainer(Trainer, folder, label_smoothing_factor=0.1))
    assert report.verdict.value == ("mean of means" if OLD else "exact")


def test_half_precision_widens_the_tolerance(folder: str) -> None:
    report = audit_trainer(make_trainer(Trainer, folder, bf16=True))
    assert "bfloat16" in report.why
    assert report.verdict.value == ("mean of means" if OLD else "exact")


def test_a_count_of_ones_own_is_used(folder: str) -> None:
    report = audit_trainer(make_trainer(Trainer, folder), count=lambda batch: len(batch["labels"]))
    assert report.counts == (2, 2, 2, 2)


def make_nothing() -> None:
    """Make no model: the audit must take the one that is there."""


def test_everything_is_as_it_was(folder: str) -> None:
    trainer = make_trainer(Trainer, folder, bf16=True, neftune_noise_alpha=5.0)
    trainer.model.eval()
    trainer.model_init = make_nothing
    collate, calls = trainer.data_collator, list[str]()

    def drawing(texts: Any) -> Any:
        random.random(), np.random.random()  # noqa: NPY002, S311 - an augmentation
        return collate(texts)

    trainer.data_collator = drawing

    class Watching(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            calls.append("begun")

    trainer.add_callback(Watching)
    before, attributes = State(trainer.model), dict(vars(trainer))
    arguments, python = trainer.args.to_dict(), random.getstate()
    numpy: Any = np.random.get_state()  # noqa: NPY002 - the global one
    audit_trainer(trainer)
    after = State(trainer.model)
    assert all(torch.equal(before.values[n], after.values[n]) for n in before.values)
    assert all(gradient is None for gradient in after.gradients.values())
    assert before.modes == after.modes
    assert torch.equal(before.random[0], after.random[0])
    assert random.getstate() == python
    now: Any = np.random.get_state()  # noqa: NPY002
    assert np.array_equal(now[1], numpy[1])
    assert calls == []
    assert "forward" not in vars(trainer.model)
    assert not trainer.model.get_input_embeddings()._forward_hooks  # noqa: SLF001
    assert trainer.args.to_dict() == arguments
    assert vars(trainer).keys() == attributes.keys()
    for name in ("optimizer", "lr_scheduler", "callback_handler", "state", "model_wrapped"):
        assert vars(trainer)[name] is attributes[name], name


@pytest.mark.parametrize("given", [False, True])
def test_training_afterwards_is_the_training_without(folder: str, given: bool) -> None:  # noqa: FBT001
    def trained(*, audited: bool) -> dict[str, torch.Tensor]:
        trainer = make_trainer(Trainer, folder)
        if given:
            trainer.optimizer = torch.optim.AdamW(trainer.model.parameters(), lr=1e-2)
        if audited:
            audit_trainer(trainer)
        trainer.train()
        return State(trainer.model).values

    plain, audited = trained(audited=False), trained(audited=True)
    assert all(torch.equal(plain[name], audited[name]) for name in plain)


def test_an_error_in_the_middle_leaves_everything_as_it_was(folder: str) -> None:
    trainer = make_trainer(Trainer, folder)
    handler, before = trainer.callback_handler, State(trainer.model)

    def fail(*_: Any) -> int:
        raise LookupError("counting failed")

    with pytest.raises(LookupError, match="counting failed"):
        audit_trainer(trainer, count=fail)
    after = State(trainer.model)
    assert trainer.callback_handler is handler
    assert all(torch.equal(before.values[n], after.values[n]) for n in before.values)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("is_fsdp_enabled", True, r"world_size 1, n_gpu 0, DeepSpeed False, FSDP True"),
        ("is_deepspeed_enabled", True, r"world_size 1, n_gpu 0, DeepSpeed True, FSDP False"),
    ],
)
def test_a_step_spread_over_devices_is_refused(
    folder: str, name: str, value: object, said: str
) -> None:
    trainer = make_trainer(Trainer, folder)
    setattr(trainer, name, value)
    whole = r"^trainer must run in one process on one device, unsharded, not with "
    with pytest.raises(ValueError, match=whole + said + "$"):
        audit_trainer(trainer)


def test_inputs_without_labels_need_a_count(folder: str) -> None:
    trainer = make_trainer(MeanLossTrainer, folder)
    collate = trainer.data_collator

    class Renaming(MeanLossTrainer):
        def compute_loss(self, model: Any, inputs: Any, *flags: Any, **named: Any) -> Any:
            inputs = {("labels" if n == "targets" else n): v for n, v in inputs.items()}
            return super().compute_loss(model, inputs, *flags, **named)

    trainer.__class__ = Renaming
    trainer.args.remove_unused_columns = False
    trainer.data_collator = lambda texts: {
        ("targets" if n == "labels" else n): v for n, v in collate(texts).items()
    }
    said = r"^count must be given, for the inputs hold no labels: \['attention_mask', 'input_ids'"
    with pytest.raises(ValueError, match=said):
        audit_trainer(trainer)
