"""accelerate needs nothing of its own: `watch` and `watch_every` read its loops as they are."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch.utils.data import DataLoader

from field.tiny import Batch, language_model, mean_loss, summed_loss, targets_in, token_batches
from field.workers import two_workers
from gradexplain.audit import Report
from gradexplain.audit.tell.steps import Steps
from gradexplain.integrations.torch import watch
from gradexplain.integrations.torch_every import watch_every

ACCUMULATE = 4
LENGTHS = (40, 6, 14, 4, 10, 30, 8, 22, 12, 26)  # two steps of four micro-batches, one of two


def prepared(batches: Sequence[Batch], precision: str) -> tuple[Accelerator, Any, Any, Any]:
    AcceleratorState._reset_state()  # noqa: SLF001 - one process, several precisions
    GradientState._reset_state()  # noqa: SLF001 - as above
    accelerator = Accelerator(
        cpu=True, gradient_accumulation_steps=ACCUMULATE, mixed_precision=precision
    )
    model = language_model()
    loader: Any = DataLoader(list(batches), batch_size=None)
    optimizer = torch.optim.AdamW(model.parameters())
    if accelerator.num_processes > 1:  # each worker has its own batches here
        return accelerator, *accelerator.prepare(model, optimizer), loader
    return accelerator, *accelerator.prepare(model, optimizer, loader)


def trained(lengths: Sequence[int], *, right: bool, precision: str = "no") -> Steps:
    """Train as accelerate's guides do: an average of each micro-batch's own mean; or the right way.

    The right loop sums, and divides by the step's count over all workers: accelerate divides by the
    number of micro-batches, and DDP by that of the workers.
    """
    batches = token_batches(tuple(lengths))
    accelerator, model, optimizer, loader = prepared(batches, precision)
    workers = accelerator.num_processes
    counts = torch.tensor([targets_in(batch) for batch in batches])
    with watch_every(1, model, optimizer) as run:
        for at, batch in enumerate(loader):
            with accelerator.accumulate(model):
                own = targets_in(batch)
                loss = run.tap(mean_loss(model, batch), targets=own)
                if right:
                    start = at - at % ACCUMULATE
                    total = accelerator.reduce(counts[start : start + ACCUMULATE].sum())
                    loss = loss * own * ACCUMULATE * workers / total
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
    return run.found


def kinds(found: Steps) -> dict[str, tuple[int, ...]]:
    return {one.report.verdict.value: one.steps for one in found.alike}


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_right_loop_is_exact(precision: str) -> None:
    found = trained(LENGTHS, right=True, precision=precision)
    assert kinds(found) == {"exact": (1, 2, 3)}, str(found)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_the_guides_loop_is_a_mean_of_means_and_divides_the_last_step_by_four(
    precision: str,
) -> None:
    found = trained(LENGTHS, right=False, precision=precision)
    assert [(one.report.verdict.value, one.steps) for one in found.alike] == [
        ("mean-of-means", (1, 2)),
        ("mean-of-means", (3,)),
    ]
    assert found.alike[1].report.claim == "A weighs every part alike, times 0.5."
    assert all("accelerate divides each loss by 4" in str(one.report) for one in found.alike)


def one_step(*, right: bool, tapped: bool, precision: str = "no") -> Report:
    """One step in a plain `watch`: nothing but the `with` is added, if the loss can be read."""
    batches = token_batches(LENGTHS[:ACCUMULATE])
    accelerator, model, optimizer, loader = prepared(batches, precision)
    total = sum(map(targets_in, batches))
    with watch(model, optimizer) as step:
        for batch in loader:
            with accelerator.accumulate(model):
                loss = summed_loss(model, batch) if right else mean_loss(model, batch)
                if tapped:
                    loss = step.tap(
                        loss, targets=targets_in(batch), reduction="sum" if right else "mean"
                    )
                accelerator.backward(loss * ACCUMULATE / total if right else loss)
                optimizer.step()
                optimizer.zero_grad()
    return step.report()


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("tapped", [True, False])
@pytest.mark.parametrize("right", [True, False])
def test_one_step_is_read_with_a_tap_or_without(
    right: bool,  # noqa: FBT001 - one fact
    tapped: bool,  # noqa: FBT001 - one fact
    precision: str,
) -> None:
    report = one_step(right=right, tapped=tapped, precision=precision)
    assert report.verdict.value == ("exact" if right else "mean-of-means"), report
    said = [note for note in report.notes if note.startswith("accelerate divides each loss by 4.")]
    assert len(said) == (not right)


def test_a_step_at_the_dataloaders_end_is_explained() -> None:
    batches = token_batches(LENGTHS[: ACCUMULATE + 1])

    def epoch(*, leave: bool) -> Report:
        accelerator, model, optimizer, loader = prepared(batches, "no")
        with watch(model, optimizer) as step:
            for batch in loader:
                with accelerator.accumulate(model):
                    accelerator.backward(mean_loss(model, batch))
                    optimizer.step()
                    optimizer.zero_grad()
                    if leave and accelerator.sync_gradients:
                        break
        return step.report()

    said = r"accelerate also steps at the end of its dataloader, .*sync_gradients: break`"
    with pytest.raises(ValueError, match=said):
        epoch(leave=False)
    assert len(epoch(leave=True).weights) == ACCUMULATE


def test_two_workers() -> None:
    said = two_workers("accelerate_two.py")
    for precision in ("no", "bf16"):
        assert said[f"{precision} right"][0] == {"exact": [1, 2]}
        assert said[f"{precision} wrong"][0] == {"mean-of-means": [1, 2]}
        assert said[f"{precision} wrong"][1].startswith("MEAN OF MEANS in steps 1 to 2, of 2")
