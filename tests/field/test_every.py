"""`watch_every`: a run's steps are read one after the other, and those that differ are named."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import nn

from field.workers import told_by
from gradexplain.audit import Report
from gradexplain.integrations.torch_every import Run, watch_every

SIZES = (4, 9, 2, 5, 3, 7)
EPOCHS = 3


def linear() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def mean(model: nn.Module, n: int) -> torch.Tensor:
    return model(torch.randn(n, 3)).square().mean()


def train(
    run: Run,
    model: nn.Module,
    optimizer: Any,
    windows: Sequence[Sequence[int]],
    divisor: int | None = None,
) -> None:
    """Train: each window divides by its count; or each micro-batch by its own and by a divisor."""
    for sizes in windows:
        for n in sizes:
            loss = run.tap(mean(model, n), targets=n)
            (loss * n / sum(sizes) if divisor is None else loss / divisor).backward()
        optimizer.step()
        optimizer.zero_grad()


def test_a_right_run_is_exact_in_each_step() -> None:
    model, optimizer = linear()
    told: list[int] = []
    with watch_every(1, model, optimizer, on_report=lambda k, _: told.append(k)) as run:
        train(run, model, optimizer, [SIZES, (5, 1), (3,)] * EPOCHS)
    assert told == list(range(1, 10))
    found = run.found.check()
    assert found.count == run.steps == 9
    assert found.summary == "exact in all of 9 steps read: A is the mean gradient."


@pytest.mark.parametrize("path", [True, False])
def test_the_short_window_at_an_epochs_end_is_named(path: bool) -> None:  # noqa: FBT001 - one fact
    model, optimizer = linear()
    with watch_every(1, model, optimizer, path=path) as run:
        train(run, model, optimizer, [(4, 4, 4), (4, 4, 4), (4, 4)] * EPOCHS, divisor=3)
    assert run.found.ok is False
    assert run.found.verdict.value == "rescaled"
    assert run.found.worst.steps == (3, 6, 9)
    assert run.found.summary == (
        "rescaled in steps 3, 6, 9, of 9 steps read: A is the mean gradient, times 0.6667."
    )
    text = str(run.found)
    assert text.startswith("RESCALED in steps 3, 6, 9, of 9 read\n")
    assert "steps 1 to 2, 4 to 5, 7 to 8: exact. A is the mean gradient.\n" in text
    assert "\n\nStep 3:\nRESCALED: 2 tapped losses\n" in text
    with pytest.raises(AssertionError, match=r"^RESCALED in steps 3, 6, 9"):
        run.found.check()


def test_only_every_nth_step_is_read_and_between_them_nothing_is_set() -> None:
    model, optimizer = linear()
    backward = torch.autograd.backward
    with watch_every(4, model, optimizer) as run:
        for k in range(1, 11):
            assert run.watching == (k % 4 == 1) == (torch.autograd.backward is not backward)
            loss = mean(model, 5)
            assert (run.tap(loss, targets=5) is loss) != run.watching
            train(run, model, optimizer, [SIZES])
    assert run.found.worst.steps == (1, 5, 9)
    assert torch.autograd.backward is backward
    assert not optimizer._optimizer_step_post_hooks  # noqa: SLF001 - nothing is left


def test_a_micro_batch_without_targets_is_named_where_it_came() -> None:
    model, optimizer = linear()
    with watch_every(1, model, optimizer) as run:
        train(run, model, optimizer, [SIZES, SIZES])
        for counted in (torch.ones(4, 1), torch.zeros(4, 1)):
            losses = model(torch.randn(4, 3)).square() * counted
            loss = run.tap(losses.sum() / counted.sum(), targets=counted.sum())
            (loss / 2).backward()
        optimizer.step()
    assert run.found.worst.steps == (3,)
    assert "0/0" in run.found.worst.report.claim


def test_a_skipped_micro_batch_that_is_counted_is_named() -> None:
    model, optimizer = linear()
    with watch_every(1, model, optimizer) as run:
        train(run, model, optimizer, [(4, 4), (4, 4)], divisor=2)
        for n in (4, 0):
            loss = run.tap(mean(model, n), targets=4)
            if torch.isfinite(loss):
                (loss / 2).backward()
        optimizer.step()
    assert run.found.worst.steps == (3,)
    assert run.found.verdict.value == "dropped"


@pytest.mark.parametrize("zero", ["optimizer", "model"])
def test_a_window_that_leads_to_no_step_is_no_mistake(zero: str) -> None:
    """A loss scaler skips the step of gradients that are not finite; so do loops by hand."""
    model, optimizer = linear()
    with watch_every(1, model, optimizer) as run:
        train(run, model, optimizer, [SIZES])
        for scale in (1.0, float("nan")):
            (run.tap(mean(model, 3), targets=3) * scale).backward()
        {"optimizer": optimizer, "model": model}[zero].zero_grad()
        train(run, model, optimizer, [SIZES, SIZES])
    assert run.found.check().count == 3  # the window that follows is read
    reason = "passes before it, whose gradients were not finite and were zeroed without a step"
    assert run.found.unread == {reason: [2]}
    assert f"step 2: not read: {reason}" in " ".join(str(run.found).split())


def test_a_wrong_window_after_one_that_is_not_finite_is_named() -> None:
    """What two optimizers zero is left over until both have zeroed it."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    both = [torch.optim.SGD(layer.parameters(), lr=0.01) for layer in model]
    with watch_every(1, model, both) as run:
        for scale in (float("nan"), float("inf"), 1.0):
            for n in (6, 2):
                (run.tap(mean(model, n), targets=n) * scale / 2).backward()
            for optimizer in both if scale == 1 else ():
                optimizer.step()
            for optimizer in both:
                optimizer.zero_grad(set_to_none=bool(scale > 1))
    assert run.found.verdict.value == "mean-of-means"
    assert run.found.worst.steps == (1,)
    assert list(run.found.unread.values()) == [[1]]


def test_a_scaler_that_skips_its_first_steps_is_no_mistake() -> None:
    model, optimizer = linear()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    with watch_every(100, model, optimizer) as run:
        for _ in range(12):
            loss = run.tap(mean(model, 5) * 10, targets=5)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    assert 0 < run.steps < 12
    assert run.found.unread
    assert run.found.worst.steps == (1,)


def test_a_skipped_window_can_be_named() -> None:
    model, optimizer = linear()
    with watch_every(1, model, optimizer) as run:
        train(run, model, optimizer, [SIZES])
        run.tap(mean(model, 3), targets=3).backward()
        run.skip()  # the gradient is too large for this loop
        optimizer.zero_grad()
        train(run, model, optimizer, [SIZES, SIZES])
    assert run.found.check().count == 3
    assert run.found.unread == {"backward passes before it led to no step": [2]}


def test_passes_after_the_last_step_are_named() -> None:
    model, optimizer = linear()
    with watch_every(1, model, optimizer) as run:
        train(run, model, optimizer, [SIZES])
        run.tap(mean(model, 3), targets=3).backward()
    assert run.found.check().unread == {"the run ended before the optimizer stepped": [2]}


def test_gradients_that_are_never_zeroed_are_named() -> None:
    model, optimizer = linear()
    with watch_every(1, model, optimizer) as run:
        for _ in range(3):
            run.tap(mean(model, 5), targets=5).backward()
            optimizer.step()
    assert run.found.verdict.value == "extra-term"
    assert run.found.worst.steps == (2, 3)


def test_gradients_that_are_not_zeroed_to_none_are_no_mistake() -> None:
    model, optimizer = linear()
    with watch_every(1, model, optimizer) as run:
        for _ in range(4):
            run.tap(mean(model, 5), targets=5).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
    assert run.found.check().count == 4


def test_the_same_batch_over_and_over_is_no_mistake() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer, x = torch.optim.SGD(model.parameters(), lr=0.0), torch.randn(8, 3)
    with watch_every(1, model, optimizer) as run:
        for _ in range(4):
            run.tap(model(x).square().mean(), targets=8).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert run.found.check().count == 4


def test_a_closure_is_read() -> None:
    model, _ = linear()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
    with watch_every(2, model, optimizer) as run:
        for _ in range(5):
            x = torch.randn(6, 3)

            def closure(x: torch.Tensor = x) -> torch.Tensor:
                optimizer.zero_grad()
                loss = run.tap(model(x).square().mean(), targets=6)
                loss.backward()
                return loss

            optimizer.step(closure)
    assert run.found.check().worst.steps == (1, 3, 5)


def test_a_cross_entropy_needs_no_tap() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 4)
    optimizer = torch.optim.AdamW(model.parameters())
    with watch_every(1, model, optimizer) as run:
        for sizes in [(4, 4), (4, 4), (4, 2)]:
            for n in sizes:
                y = torch.randint(4, (n,))
                loss = nn.functional.cross_entropy(model(torch.randn(n, 3)), y)
                (loss / len(sizes)).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert run.found.worst.steps == (3,)
    assert run.found.verdict.value == "mean-of-means"


def test_two_optimizers_that_step_in_turn_are_one_step() -> None:
    torch.manual_seed(0)
    judge, maker = nn.Linear(3, 1), nn.Linear(2, 3)
    optimizers = [torch.optim.Adam(each.parameters()) for each in (judge, maker)]
    with watch_every(1, [judge, maker], optimizers) as run:
        for _ in range(3):
            for optimizer, term in zip(optimizers, ("judge", "maker"), strict=True):
                optimizer.zero_grad()
                loss = judge(maker(torch.randn(5, 2))).square().mean()
                run.tap(loss, targets=5, term=term).backward()
                optimizer.step()
    assert run.steps == 3
    assert run.found.check().count == 3


def test_a_scheduler_and_an_evaluation_in_between_change_nothing() -> None:
    model, optimizer = linear()
    with watch_every(2, model, optimizer) as run:
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        for _ in range(4):
            train(run, model, optimizer, [SIZES])
            scheduler.step()
            with torch.no_grad():
                run.tap(mean(model, 4), targets=4)
    assert run.found.check().count == 2


def test_what_on_report_raises_stops_the_run() -> None:
    def checked(_: int, report: Report) -> None:
        report.check()

    model, optimizer = linear()
    with (
        pytest.raises(AssertionError, match=r"^MEAN OF MEANS: 2 tapped"),
        watch_every(1, model, optimizer, on_report=checked) as run,
    ):
        train(run, model, optimizer, [(4, 4), (5, 1), (4, 4)], divisor=2)
    assert run.steps == 2


def test_a_run_without_a_tap_stops_at_its_first_step() -> None:
    model, optimizer = linear()
    with watch_every(3, model, optimizer):
        model(torch.randn(4, 3)).square().mean().backward()
        with pytest.raises(ValueError, match="none was tapped"):
            optimizer.step()


@pytest.mark.parametrize(
    ("n", "optimizer", "error"),
    [
        (0, None, (ValueError, "n must be at least 1, not 0")),
        (True, None, (TypeError, "n must be an integer, not bool")),
        (2.0, None, (TypeError, "n must be an integer, not float")),
        (1, "adam", (TypeError, "optimizer must be one of torch's, not str")),
    ],
)
def test_what_is_not_allowed_is_named(n: Any, optimizer: Any, error: Any) -> None:
    model, own = linear()
    with (
        pytest.raises(error[0], match=error[1]),
        watch_every(n, model, optimizer or own),
    ):
        pass


def test_no_step_read_is_no_verdict() -> None:
    model, optimizer = linear()
    with watch_every(1, model, optimizer) as run:
        pass
    assert run.found.ok is None
    assert repr(run.found) == "<Steps none read>"
    with pytest.raises(AssertionError, match="NO STEP WAS READ"):
        run.found.check()


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def two_workers(_: int) -> dict[str, Any]:
    """Three steps: right, a mean of means across workers, and one after a NaN on worker 1 alone."""
    rank = torch.distributed.get_rank()
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with _quietly(), watch_every(1, model, optimizer) as run:
        for sizes in [(4, 4), (9, 1), (4, 4), (4, 4)]:
            if run.steps == 2:
                with model.no_sync():
                    lost = run.tap(mean(model, 4), targets=4) * (float("nan") if rank else 1)
                    lost.backward()
                optimizer.zero_grad()
            run.tap(mean(model, sizes[rank]), targets=sizes[rank]).backward()
            optimizer.step()
            optimizer.zero_grad()
    return {
        "ok": run.found.ok,
        "unread": list(run.found.unread.values()),
        "steps": {one.report.verdict.value: one.steps for one in run.found.alike},
    }


def test_two_workers_tell_the_same_steps() -> None:
    first, second = told_by(2, two_workers)
    assert first["ok"] is second["ok"] is False
    assert first["steps"] == second["steps"] == {"exact": [1, 4], "mean-of-means": [2]}
    assert first["unread"] == second["unread"] == [[3]]
