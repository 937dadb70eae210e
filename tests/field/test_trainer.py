"""`AuditCallback`: a step of a real Trainer's own run is read, without a tap."""

import copy
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.optimizer import _global_optimizer_pre_hooks
from transformers import Trainer, TrainerCallback

from field.cases.transformers_trainer import MeanLossTrainer, make_trainer
from field.losses_bent import BENT, Each, focal
from field.trainers import ANY, NEW, OLD, RELEASE, stock
from gradexplain.integrations.torch import watch
from gradexplain.integrations.transformers import AuditCallback, audit_trainer

pytestmark = pytest.mark.filterwarnings("ignore:Step \\d of the run")  # the older one's are wrong
NEWER = pytest.mark.skipif(OLD, reason="only the newer release divides by the count of a step")


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> str:
    return str(tmp_path)


def trained(trainer: Trainer, *given: Any, **named: Any) -> AuditCallback:
    """Train with the callback added, as the page says."""
    audit = AuditCallback(trainer, *given, **named)
    trainer.add_callback(audit)
    trainer.train()
    return audit


@pytest.mark.parametrize("name", ANY)
def test_the_trainer_reads_as_its_release_does(folder: str, name: str) -> None:
    make = ANY[name].right
    assert make is not None
    report = audit_trainer(make(folder))
    assert report.verdict.value == RELEASE, report
    if OLD:
        assert report.weights == pytest.approx([0.25] * 4, rel=1e-2)
    assert len({part.count for part in report.parts}) > 1


@NEWER
@pytest.mark.parametrize("name", [name for name, one in NEW.items() if one.right])
def test_the_right_trainer_is_exact(folder: str, name: str) -> None:
    make = NEW[name].right
    assert make is not None
    report = audit_trainer(make(folder))
    assert report.ok is True, report


@NEWER
@pytest.mark.parametrize("name", [name for name, one in NEW.items() if one.wrong])
def test_the_wrong_trainer_is_named(folder: str, name: str) -> None:
    one = NEW[name]
    assert one.wrong is not None
    report = audit_trainer(one.wrong(folder))
    assert report.verdict.value == one.verdict, report
    assert one.words in " ".join(str(report).split())


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


@NEWER
def test_a_routers_loss_is_a_term_of_its_own(folder: str) -> None:
    make = NEW["router"].wrong
    assert make is not None
    report = audit_trainer(make(folder))
    terms = {name: verdict.value for name, verdict, _ in report.terms}
    assert terms == {"loss": "exact", "aux_loss": "rescaled"}
    assert "times 4" in str(report)


@NEWER
def test_gpt2_counts_its_labels_before_the_shift(folder: str) -> None:
    make = NEW["gpt2"].wrong
    assert make is not None
    report = audit_trainer(make(folder))
    counts = [part.count or 0 for part in report.parts]
    rows = 2 * len(counts)  # each has one label that is never predicted
    assert report.factor == pytest.approx(sum(counts) / (sum(counts) + rows), rel=1e-5)
    assert "set the first label of each row" in report.to_do
    assert not report.questions
    trainer = make(folder)
    collate = trainer.data_collator

    def masked(examples: Any) -> Any:
        batch = collate(examples)
        batch["labels"][:, 0] = -100
        return batch

    trainer.data_collator = masked
    assert audit_trainer(trainer).ok is True  # as it is told to do


def test_the_run_is_the_same_with_and_without(folder: str) -> None:
    plain, watched = (make_trainer(Trainer, folder) for _ in range(2))
    plain.train()
    audit = trained(watched, every=1) if OLD else trained(watched)
    assert audit.found.count
    for one, other in zip(plain.model.parameters(), watched.model.parameters(), strict=True):
        assert torch.equal(one, other)
    copy.deepcopy(watched.model)
    assert not watched.model._forward_hooks  # noqa: SLF001 - nothing of the window is left
    assert "compute_loss" not in vars(watched)


def test_the_summary_goes_where_the_trainer_logs(folder: str) -> None:
    trainer = make_trainer(Trainer, folder, logging_steps=1)
    audit = trained(trainer)
    logs = trainer.state.log_history
    assert [log["step"] for log in logs if "audit" in log] == [1]
    assert audit.found.worst.report.summary in [log.get("audit") for log in logs]
    assert [log["step"] for log in logs if "loss" in log][:1] == [1]  # its own is not lost


def test_each_step_is_watched_and_those_that_differ_are_told(folder: str) -> None:
    """An epoch has six micro-batches: a step of four, and one of two."""
    trainer = make_trainer(MeanLossTrainer, folder, max_steps=4)
    with pytest.warns(UserWarning, match=r"Step [23] of the run") as said:
        audit = trained(trainer, step=2, every=1, path=False)
    factors = {one.steps: round(one.report.factor, 3) for one in audit.found.alike}
    # The older one has no short window.
    assert factors == ({(2, 3, 4): 1} if OLD else {(2, 4): 2, (3,): 4})
    assert len(said) == len(factors)


@NEWER
def test_steps_that_read_alike_are_told_once(folder: str) -> None:
    trainer = make_trainer(Trainer, folder, max_steps=4)
    assert [one.steps for one in trained(trainer, every=1).found.alike] == [(1, 2, 3, 4)]


def test_a_step_that_is_wrong_stops_the_run(folder: str) -> None:
    trainer = make_trainer(MeanLossTrainer, folder, max_steps=3)
    with pytest.raises(AssertionError, match="MEAN OF MEANS: 4 tapped losses"):
        trained(trainer, on_wrong="raise")
    assert trainer.state.global_step == 1
    assert "compute_loss" not in vars(trainer)


def test_a_step_that_is_wrong_is_warned_of(folder: str) -> None:
    with pytest.warns(UserWarning, match="Step 1 of the run:\nMEAN OF MEANS"):
        trained(make_trainer(MeanLossTrainer, folder, max_steps=1))


class Hinge(Trainer):
    """A loss that no reader knows: a mean over the texts of the micro-batch."""

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        inputs.pop("labels")
        return (1 - model(**inputs).logits.mean((1, 2))).relu().mean()


def test_a_loss_that_cannot_be_read_is_said_to_be(
    folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        audit = trained(make_trainer(Hinge, folder, max_steps=1))
    assert [*audit.found.unread.values()] == [[1]]
    assert "step 1 was not audited: watch must be shown a loss" in caplog.text
    assert "pass targets=, as in AuditCallback(trainer, targets=...)" in caplog.text
    assert "step.tap" not in caplog.text
    with pytest.raises(ValueError, match="pass targets="):
        trained(make_trainer(Hinge, folder, max_steps=1), on_wrong="raise")


def test_a_loss_whose_targets_are_counted_is_tapped(folder: str) -> None:
    report = audit_trainer(make_trainer(Hinge, folder), targets=lambda one: len(one["input_ids"]))
    assert report.verdict.value == ("exact" if OLD else "rescaled")
    assert [part.count for part in report.parts] == [2] * 4


def bent(folder: str, each: Each, *, right: bool = True) -> Trainer:
    """Return a trainer with a loss of one's own, right or a mean of means."""

    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        losses = each(outputs["logits"], labels)
        return losses.sum() / num_items_in_batch if right else losses.mean() / 4

    trainer = make_trainer(Trainer, folder)
    trainer.compute_loss_func = loss
    return trainer


def of_labels(inputs: Any) -> Any:
    return (inputs["labels"][:, 1:] != -100).sum()


@NEWER
@pytest.mark.parametrize("each", BENT)
def test_a_right_loss_that_depends_on_the_model_raises_no_alarm(folder: str, each: Each) -> None:
    report = audit_trainer(bent(folder, each))
    assert report.ok is None, report
    assert "AuditCallback(trainer, targets=...)" in report.to_do
    assert "step.tap" not in str(report)
    assert audit_trainer(bent(folder, each), targets=of_labels).ok is True
    assert audit_trainer(bent(folder, each, right=False)).ok is not True


@NEWER
def test_its_mean_of_means_is_named_once_its_targets_are_counted(folder: str) -> None:
    report = audit_trainer(bent(folder, focal, right=False), targets=of_labels)
    assert report.verdict.value == "mean-of-means"


def test_a_step_that_never_comes_is_said_to_be_missing(
    folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        audit = trained(make_trainer(Trainer, folder, max_steps=1), step=7)
    assert audit.found.ok is None
    assert "Step 7 was not audited: the run had 1" in caplog.text


def test_an_error_closes_the_window_that_it_leaves(folder: str) -> None:
    class Failing(Trainer):
        failed = False

        def compute_loss(self, *given: Any, **named: Any) -> Any:
            if not self.failed:
                self.failed = True
                raise LookupError
            return super().compute_loss(*given, **named)

    trainer = make_trainer(Failing, folder, max_steps=1)
    audit = AuditCallback(trainer)
    trainer.add_callback(audit)
    backward, hooks = torch.autograd.backward, dict(_global_optimizer_pre_hooks)
    with pytest.raises(LookupError):
        trainer.train()
    assert torch.autograd.backward is backward
    assert _global_optimizer_pre_hooks == hooks
    assert not trainer.model._forward_hooks  # noqa: SLF001 - nothing of the window is left
    assert "compute_loss" not in vars(trainer)
    trainer.train()
    assert audit.found.verdict.value == RELEASE
    assert "compute_loss" not in vars(trainer)


def test_a_step_that_the_scaler_skips_is_not_read(folder: str) -> None:
    """The next one is; no half precision is at hand on the CPU, so the skip is feigned."""
    trainer = make_trainer(Trainer, folder, max_steps=2)
    audit = AuditCallback(trainer)
    trainer.add_callback(audit)

    class Skipping(TrainerCallback):
        def on_optimizer_step(self, _: Any, state: Any, __: Any, **___: Any) -> None:
            trainer.optimizer._is_overflow = state.global_step == 0  # noqa: SLF001 - accelerate's

    trainer.callback_handler.callbacks.insert(0, Skipping())
    trainer.train()
    assert [one.steps for one in audit.found.alike] == [(2,)]


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"step": 0}, "step must be a whole number, 1 or more, not 0"),
        ({"every": 0}, "every must be a whole number, 1 or more, not 0"),
        ({"every": True}, "every must be a whole number, 1 or more, not True"),
        ({"on_wrong": "stop"}, 'on_wrong must be "warn" or "raise", not \'stop\''),
    ],
)
def test_bad_arguments_are_refused(folder: str, named: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        AuditCallback(stock()(folder), **named)


def test_only_a_trainer_is_watched() -> None:
    with pytest.raises(TypeError, match="trainer must be a Trainer, not Linear"):
        AuditCallback(torch.nn.Linear(1, 1))


def test_audit_trainer_stops_after_the_step_and_the_trainer_trains_on(folder: str) -> None:
    trainer = make_trainer(Trainer, folder)
    audit_trainer(trainer)
    assert trainer.state.global_step == 1
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
