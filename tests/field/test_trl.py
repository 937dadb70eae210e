"""TRL's trainers are read as their losses are meant: by tokens, pairs, sequences, or refused."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("trl") is None:
    pytest.skip(
        "the set of 2024 has no TRL: the newer one runs all of these", allow_module_level=True
    )

from trl import DPOTrainer

from field.trainers import Make
from field.trainers_trl import TRL, alike, dpo, grpo
from field.workers import two_workers
from gradexplain.integrations.transformers import AuditCallback, audit_trainer

LATER = {"grpo-penalty": 3, "grpo-penalty-plain": 3}  # steps at which the reference is behind


@pytest.mark.parametrize("name", [name for name, one in TRL.items() if one.right])
def test_the_right_trainer_is_exact(name: str, tmp_path: Path) -> None:
    make = TRL[name].right
    assert make is not None
    report = audit_trainer(make(str(tmp_path)), step=LATER.get(name, 1))
    assert report.ok is True, report


@pytest.mark.parametrize("name", [name for name, one in TRL.items() if one.wrong])
def test_the_wrong_trainer_is_named(name: str, tmp_path: Path) -> None:
    one = TRL[name]
    assert one.wrong is not None
    report = audit_trainer(one.wrong(str(tmp_path)))
    assert report.verdict.value == one.verdict, report
    assert one.words in " ".join(str(report).split())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            dpo(loss_type=["sigmoid", "sft"]),
            "DPOTrainer with loss_type 'sft' adds a mean",
        ),
        (dpo(loss_type=["aot"]), "DPOTrainer with loss_type 'aot' sorts the pairs"),
        (grpo(loss_type="cispo"), "GRPOTrainer with loss_type 'cispo' has weights of its own"),
        (
            grpo(importance_sampling_level="sequence"),
            "GRPOTrainer with importance_sampling_level='sequence' has weights of its own",
        ),
    ],
)
def test_what_is_no_mean_of_readable_losses_is_refused_by_name(
    make: Make, said: str, tmp_path: Path
) -> None:
    trainer = make(str(tmp_path))
    with pytest.raises(ValueError, match=rf"{said}.*pass targets="):
        AuditCallback(trainer)
    AuditCallback(trainer, targets=len)  # whoever knows better is believed


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_a_loss_that_a_subclass_scales_is_asked_about(factor: float, tmp_path: Path) -> None:
    class Scaling(DPOTrainer):
        def compute_loss(self, *given: Any, **named: Any) -> Any:
            return super().compute_loss(*given, **named) * factor

    trainer = dpo()(str(tmp_path))
    trainer.__class__ = Scaling
    report = audit_trainer(trainer)
    assert report.ok is None, report
    assert f"multiplied by {factor:g} before it was tapped" in report.claim


def test_a_trainer_that_is_not_known_is_refused_by_name(tmp_path: Path) -> None:
    trainer = dpo()(str(tmp_path))
    stranger = type("KTOTrainer", (type(trainer),), {"__module__": "trl.trainer.kto_trainer"})
    trainer.__class__ = stranger
    with pytest.raises(ValueError, match="but KTOTrainer is not known: "):
        AuditCallback(trainer)


def test_advantages_that_are_all_zero_show_no_weight(tmp_path: Path) -> None:
    report = audit_trainer(grpo(loss_type="grpo", rewards=alike)(str(tmp_path)))
    assert report.ok is None
    assert report.weights == (None,) * 4
    assert "A micro-batch whose advantages are all 0 shows no weight" in report.notes[-1]


TWO = {  # by what the trainer of `scripts/trainer_two.py` says on two workers, and by which factor
    "default": ("exact", 1),
    "default, by worker": ("mean-of-group-means", 1),
    "bf16": ("exact", 1),
    "lora": ("exact", 1),
    "own loss": ("mean-of-means", 3),
    "gpt2": ("rescaled", 12 / 13),
    "router": ("rescaled", 6),
    "text classes": ("rescaled", 6),
    "text classes, declared": ("exact", 1),
    "sft": ("exact", 1),
    "sft, by worker": ("mean-of-group-means", 1),
    "sft, router": ("exact", 1),
    "dpo": ("exact", 1),
    "reward": ("exact", 1),
    "grpo": ("exact", 1),
    "grpo, bnpo": ("mean-of-means", 1),
    "grpo, dapo": ("exact", 1),
    "unknown loss": ("", 1),
}


def test_two_workers_read_as_they_are() -> None:
    """Three micro-batches each: what is K-fold in one process is K·W-fold in two."""
    said = two_workers("trainer_two.py")
    found = {name: (verdict, round(factor, 3)) for name, (verdict, factor, _) in said.items()}
    assert found == {name: (verdict, round(factor, 3)) for name, (verdict, factor) in TWO.items()}
    assert "counted them before this model's loss shifts them" in said["gpt2"][2]
    assert "The model adds its router's loss" in said["router"][2]
    assert "set trainer.model_accepts_loss_kwargs = False" in said["text classes"][2]
