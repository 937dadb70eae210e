"""`audit_trainer`: one step of a real Trainer is read, without a tap."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    MixtralConfig,
    MixtralForCausalLM,
    Trainer,
    TrainerCallback,
)

from field.cases.transformers_trainer import VOCABULARY, MeanLossTrainer, make_trainer
from gradexplain.integrations.torch import watch
from gradexplain.integrations.transformers import audit_trainer

OLD = transformers.__version__ == "4.45.2"
RELEASE = "mean-of-means" if OLD else "exact"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> str:
    return str(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"bf16": True},
        {"max_grad_norm": 1e-3},
        {"label_smoothing_factor": 0.1},
        {"gradient_checkpointing": True},
        {"neftune_noise_alpha": 5.0},
    ],
    ids=str,
)
def test_the_trainer_reads_as_its_release_does(folder: str, arguments: dict[str, Any]) -> None:
    report = audit_trainer(make_trainer(Trainer, folder, **arguments))
    assert report.verdict.value == RELEASE, report
    if OLD:
        assert report.weights == pytest.approx([0.25] * 4, rel=1e-2)
    assert len({part.count for part in report.parts}) > 1


def test_dropout_does_not_blur_it(folder: str) -> None:
    trainer = make_trainer(Trainer, folder)
    for layer in trainer.model.model.layers:
        layer.self_attn.attention_dropout = 0.3
    assert audit_trainer(trainer).verdict.value == RELEASE


def test_a_loss_of_ones_own_reads_as_a_mean_of_means(folder: str) -> None:
    report = audit_trainer(make_trainer(MeanLossTrainer, folder))
    assert report.verdict.value == "mean-of-means"
    assert report.factor == pytest.approx(1 if OLD else 4, abs=1e-4)  # newer ones don't divide it


def test_a_loss_that_divides_by_the_number_of_items_is_read(folder: str) -> None:
    class Dividing(MeanLossTrainer):
        def compute_loss(self, model: Any, inputs: Any, *_: Any, **named: Any) -> Any:
            count = int((inputs["labels"][:, 1:] != -100).sum())
            mean = super().compute_loss(model, inputs)
            items = named.get("num_items_in_batch")
            return mean if items is None else mean * count / items

    report = audit_trainer(make_trainer(Dividing, folder))
    assert report.verdict.value == RELEASE, report


@pytest.mark.skipif(OLD, reason="only the newer release divides its cross-entropy by the count")
def test_a_routers_loss_is_a_term_of_its_own(folder: str) -> None:
    torch.manual_seed(0)
    model = MixtralForCausalLM(
        MixtralConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            num_local_experts=4,
            output_router_logits=True,
            max_position_embeddings=64,
        )
    )
    report = audit_trainer(make_trainer(Trainer, folder, model))
    terms = {name: verdict.value for name, verdict, _ in report.terms}
    assert terms == {"loss": "exact", "aux_loss": "rescaled"}
    assert "times 4" in str(report)


@pytest.mark.skipif(OLD, reason="only the newer release divides its cross-entropy by the count")
def test_gpt2_counts_its_labels_before_the_shift(folder: str) -> None:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=64,
            n_embd=16,
            n_layer=2,
            n_head=2,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    report = audit_trainer(make_trainer(Trainer, folder, model))
    counts = [part.count or 0 for part in report.parts]
    rows = 2 * len(counts)  # each has one label that is never predicted
    assert report.verdict.value == "rescaled"
    assert report.factor == pytest.approx(sum(counts) / (sum(counts) + rows), rel=1e-5)


def test_callbacks_are_called_and_the_trainer_trains_on(folder: str) -> None:
    trainer, calls = make_trainer(Trainer, folder), list[str]()

    class Watching(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            calls.append("begun")

    trainer.add_callback(Watching)
    audit_trainer(trainer)
    assert calls == ["begun"]
    assert trainer.state.global_step == 1
    copy.deepcopy(trainer.model)
    assert not trainer.model._forward_hooks  # noqa: SLF001 - nothing of the window is left
    trainer.train()
    assert trainer.state.global_step == (1 if OLD else 2)  # the older one drops short windows


def test_a_tap_inside_compute_loss_is_read(folder: str) -> None:
    class Tapping(MeanLossTrainer):
        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
            count = (inputs["labels"][:, 1:] != -100).sum()
            return step.tap(super().compute_loss(model, inputs), targets=count)

    trainer = make_trainer(Tapping, folder, max_steps=1)
    with watch(trainer.model) as step:
        trainer.train()
    report = step.report()
    assert report.verdict.value == "mean-of-means"
    assert report.factor == pytest.approx(1 if OLD else 4, abs=1e-4)
