"""Lightning's `AuditCallback`: steps of `Trainer.fit` are read, and the wrong ones named."""

import warnings
from collections.abc import Sequence
from typing import Any

import lightning
import pytest
import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader

from field.tiny import (
    IGNORED,
    Batch,
    language_model,
    mean_loss,
    summed_loss,
    targets_in,
    token_batches,
)
from field.workers import two_workers
from gradexplain.audit.tell.steps import Steps
from gradexplain.integrations.lightning import AuditCallback

ACCUMULATE = 4
LENGTHS = (40, 6, 14, 4, 10, 30, 8, 22)  # two steps of four micro-batches


class Module(lightning.LightningModule):
    """Right: sums over the step's count, with the division by K undone, and DDP's average."""

    def __init__(self, batches: Sequence[Batch], *, right: bool, workers: int = 1) -> None:
        super().__init__()
        self.model = language_model()
        self.right, self.workers = right, workers
        self.counts = [targets_in(batch) for batch in batches]

    def training_step(self, batch: Batch, at: int) -> torch.Tensor:
        if not self.right:
            return mean_loss(self.model, batch)
        start = at - at % ACCUMULATE
        total = torch.tensor(sum(self.counts[start : start + ACCUMULATE]))
        if self.workers > 1:
            dist.all_reduce(total)
        return summed_loss(self.model, batch) * ACCUMULATE * self.workers / total

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters())


class Manual(Module):
    """Manual optimization, as in Lightning's guide."""

    def __init__(self, batches: Sequence[Batch], *, right: bool) -> None:
        super().__init__(batches, right=right)
        self.automatic_optimization = False

    def training_step(self, batch: Batch, at: int) -> None:
        loss = super().training_step(batch, at) / ACCUMULATE
        self.manual_backward(loss)
        if (at + 1) % ACCUMULATE == 0:
            optimizer: Any = self.optimizers()
            optimizer.step()
            optimizer.zero_grad()


class OwnLoss(Module):
    """A loss that cannot be read without its count, so it is tapped."""

    audit: Any = None

    def training_step(self, batch: Batch, at: int) -> Any:
        inputs, targets = batch
        right, kept = self.model(inputs).log_softmax(-1), targets != IGNORED
        losses = -right.gather(-1, targets.clamp(min=0)[..., None])[..., 0] * kept
        mean = self.audit.tap(losses.sum() / kept.sum(), targets=kept)
        start = at - at % ACCUMULATE
        share = ACCUMULATE * kept.sum() / sum(self.counts[start : start + ACCUMULATE])
        return {"loss": mean * share if self.right else mean}


class TwoTerms(Module):
    """Both terms are read; where it is wrong, it forgets that Lightning divides them, too."""

    def training_step(self, batch: Batch, at: int) -> Any:
        inputs, targets = batch
        logits, kept = self.model(inputs), targets != IGNORED
        both = cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORED)
        both = both + 0.5 * mse_loss(logits[..., 0][kept], torch.ones(int(kept.sum())))
        start = at - at % ACCUMULATE
        times = ACCUMULATE if self.right else 1
        return both * times * kept.sum() / sum(self.counts[start : start + ACCUMULATE])


def fit(module: Module, batches: Sequence[Batch], *callbacks: Any, **options: Any) -> None:
    loader: Any = DataLoader(list(batches), batch_size=None)
    with warnings.catch_warnings():
        # It advises more workers, loggers, and that the number of batches is a multiple.
        warnings.filterwarnings("ignore", category=UserWarning, module="lightning")
        warnings.filterwarnings("ignore", message=".*does not have many workers")
        lightning.Trainer(
            accelerator="cpu",
            max_epochs=1,
            accumulate_grad_batches=ACCUMULATE if module.automatic_optimization else 1,
            callbacks=list(callbacks),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            **{"devices": 1, **options},
        ).fit(module, loader)


def fitted(
    lengths: Sequence[int],
    *,
    right: bool,
    workers: int = 1,
    kind: Any = Module,
    every: int | None = None,
    path: bool = True,
    **options: Any,
) -> Steps:
    """Train over micro-batches of these lengths, and return what was found."""
    batches = token_batches(tuple(lengths))
    named = {"workers": workers} if workers > 1 else {}
    module, callback = kind(batches, right=right, **named), AuditCallback(every, path=path)
    module.audit = callback
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="audit of step")
        fit(module, batches, callback, devices=workers, **options)
    return callback.found


def kinds(found: Steps) -> dict[str, tuple[int, ...]]:
    return {one.report.verdict.value: one.steps for one in found.alike}


def test_two_terms_that_are_divided_twice_are_asked_about() -> None:
    assert kinds(fitted(LENGTHS, right=True, kind=TwoTerms)) == {"exact": (1,)}
    report = fitted(LENGTHS, right=False, kind=TwoTerms).worst.report
    assert report.ok is None
    assert report.claim.startswith("Cross-entropy counts 1/4 of a mean, and there are 4 micro-batc")
    assert "Lightning divides each loss by 4" in report.notes[-1]


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"precision": "bf16-mixed"},
        {"precision": "bf16-true"},
        {"gradient_clip_val": 1e-3},
        {"kind": Manual},
        {"kind": OwnLoss},
        {"kind": OwnLoss, "path": False},
    ],
    ids=["float32", "bf16-mixed", "bf16-true", "clipped", "manual", "own loss", "without the path"],
)
def test_each_step_is_read(options: dict[str, Any], right: bool) -> None:  # noqa: FBT001 - one fact
    found = fitted(LENGTHS, right=right, every=1, **options)
    assert kinds(found) == {"exact" if right else "mean-of-means": (1, 2)}, str(found)


def test_the_short_window_at_the_epochs_end_is_named() -> None:
    """Lightning divides the last window by the usual number, too."""
    found = fitted(LENGTHS[:6], right=False, every=1)
    assert found.alike[-1].report.claim == "A weighs every part alike, times 0.5."
    assert found.alike[-1].steps == (2,)


def test_only_the_first_step_is_read_if_nothing_is_said() -> None:
    assert kinds(fitted(LENGTHS, right=False)) == {"mean-of-means": (1,)}


def test_it_warns_once_or_raises() -> None:
    batches = token_batches(LENGTHS)
    with pytest.warns(UserWarning, match=r"audit of step 1: MEAN OF MEANS: 4 tapped") as seen:
        fit(Module(batches, right=False), batches, AuditCallback(every=1))
    assert sum("audit of step" in str(one.message) for one in seen) == 1
    module = Module(batches, right=False)
    with pytest.raises(AssertionError, match=r"^MEAN OF MEANS: 4 tapped"):
        fit(module, batches, AuditCallback(on_wrong="raise"))
    fit(Module(batches, right=True), batches, AuditCallback(every=1, on_wrong="raise"))


class Unread(Module):
    """A loss that nobody knows, and that is not tapped."""

    def training_step(self, batch: Batch, at: int) -> torch.Tensor:
        del at
        return self.model(batch[0]).logsumexp(-1).mean()


def test_a_loss_that_cannot_be_read_stops_no_run_unless_that_is_asked_for() -> None:
    batches, audit = token_batches(LENGTHS), AuditCallback(every=1)
    with pytest.warns(UserWarning, match="step 1 was not audited: watch must be shown") as seen:
        fit(Unread(batches, right=True), batches, audit)
    said = [str(one.message) for one in seen if "audited" in str(one.message)]
    assert len(said) == 1
    assert said[0].endswith("own tap in training_step: loss = audit.tap(loss, targets=...)")
    assert audit.found.ok is None
    assert list(audit.found.unread.values()) == [[1, 2]]
    once = AuditCallback()
    with pytest.warns(UserWarning, match="step 1 was not audited"):
        fit(Unread(batches, right=True), batches, once)
    assert list(once.found.unread.values()) == [[1]]
    with pytest.raises(ValueError, match=r"^step 1 was not audited: .* audit\.tap\(loss, targets"):
        fit(Unread(batches, right=True), batches, AuditCallback(on_wrong="raise"))


def test_it_says_who_divides_and_what_is_right() -> None:
    [wrong] = fitted(LENGTHS[:4], right=False).alike
    assert wrong.report.notes[-1] == (
        "Lightning divides each loss by 4. So the right loss is the micro-batch's mean * n * 4 / N,"
        " for its n targets of the N in the whole step, on all workers."
    )
    [right] = fitted(LENGTHS[:4], right=True).alike
    [manual] = fitted(LENGTHS[:4], right=False, kind=Manual).alike
    for report in (right.report, manual.report):
        assert not any("Lightning" in note for note in report.notes)


def test_a_right_step_of_equal_counts_says_what_it_cannot_show(
    caplog: pytest.LogCaptureFixture,
) -> None:
    batches = token_batches([10] * 4)
    with caplog.at_level("INFO"):
        fit(Module(batches, right=True), batches, AuditCallback())
    assert "so a mean of means would look the same." in caplog.text


def test_nothing_is_left_behind() -> None:
    batches = token_batches(LENGTHS)
    module, callback = OwnLoss(batches, right=True), AuditCallback()
    module.audit = callback
    backward = torch.autograd.backward
    for _ in range(2):
        fit(module, batches, callback)
        assert callback.found.check().count == 1
    assert torch.autograd.backward is backward
    loss = torch.ones(())
    assert callback.tap(loss, targets=3) is loss


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be at least 1, not 0"),
        ({"every": 1.5}, "every must be a whole number or None, not 1.5"),
        ({"on_wrong": "stop"}, 'on_wrong must be "warn" or "raise", not \'stop\''),
    ],
)
def test_what_is_not_allowed_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        AuditCallback(**options)


def test_two_workers() -> None:
    said = two_workers("lightning_two.py")
    for precision in ("32-true", "bf16-mixed"):
        assert said[f"{precision} right"][0] == {"exact": [1, 2]}
        assert said[f"{precision} wrong"][0] == {"mean-of-means": [1, 2]}
        assert said[f"{precision} wrong"][1].startswith("MEAN OF MEANS in steps 1 to 2, of 2")
        assert said[f"{precision} wrong"][2]
