"""What a tap knows of its loss beyond the gradient: the count it divides by, what it leaves out."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from gradexplain import Report, Verdict
from gradexplain.integrations.torch import Step, watch

CLASSES = torch.tensor([1.0, 2, 3, 4, 5])
Pass = Callable[[Step, Tensor, Tensor, int, int], Tensor]  # of logits, labels, their count, N


def batches() -> list[tuple[Tensor, Tensor]]:
    """Return micro-batches of 20, 12, 30 and 9 labels, a third of which are ignored."""
    torch.manual_seed(0)
    labels = [torch.randint(0, 5, (n,)) for n in (20, 12, 30, 9)]
    return [
        (torch.randn(len(y), 6), torch.where(torch.rand(len(y)) < 0.3, -100, y)) for y in labels
    ]


def report_of(one_pass: Pass) -> Report:
    model, own = torch.nn.Linear(6, 5), batches()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    counts = [int((y != -100).sum()) for _, y in own]
    with watch(model, optimizer) as step:
        for (x, y), n in zip(own, counts, strict=True):
            one_pass(step, model(x), y, n, sum(counts)).backward()
        optimizer.step()
    return step.report()


def unreduced(step: Step, logits: Tensor, y: Tensor, _: int, total: int) -> Tensor:
    return step.tap(cross_entropy(logits, y, reduction="none")).sum() / total


def unreduced_with_a_mask(step: Step, logits: Tensor, y: Tensor, _: int, total: int) -> Tensor:
    return step.tap(cross_entropy(logits, y, reduction="none"), y != -100).sum() / total


def unreduced_by_sequence(step: Step, logits: Tensor, y: Tensor, _: int, total: int) -> Tensor:
    losses = cross_entropy(logits.T.unsqueeze(0), y.unsqueeze(0), reduction="none")
    return step.tap(losses).sum() / total


def mean(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
    return step.tap(cross_entropy(logits, y), n) * n / total


def summed(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
    return step.tap(cross_entropy(logits, y, reduction="sum"), n, reduction="sum") / total


RIGHT = [unreduced, unreduced_with_a_mask, unreduced_by_sequence, mean, summed]


@pytest.mark.parametrize("one_pass", RIGHT)
def test_ignored_labels_raise_no_alarm(one_pass: Pass) -> None:
    assert report_of(one_pass).check().verdict is Verdict.EXACT


def test_an_unreduced_mean_over_all_labels_is_no_mean_over_those_that_count() -> None:
    def over_all(step: Step, logits: Tensor, y: Tensor, _: int, __: int) -> Tensor:
        return step.tap(cross_entropy(logits, y, reduction="none")).mean() / 4

    assert report_of(over_all).ok is False


def test_a_count_that_the_loss_belies_is_asked_for() -> None:
    def padded(step: Step, logits: Tensor, y: Tensor, _: int, __: int) -> Tensor:
        return step.tap(cross_entropy(logits, y), len(y)) * len(y) / 71

    report = report_of(padded)
    assert report.ok is None
    assert report.claim.startswith("The loss of parts[0] itself averages over 1")
    assert "targets=20" in report.claim
    assert report.to_do.startswith("Pass what the loss divides by")


def test_class_weights_are_counted_by_their_sum() -> None:
    def weighted(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return step.tap(cross_entropy(logits, y, weight=CLASSES), n) * n / total

    def by_their_sum(step: Step, logits: Tensor, y: Tensor, _: int, __: int) -> Tensor:
        share = CLASSES[y[y != -100]].sum()
        return step.tap(cross_entropy(logits, y, weight=CLASSES), share) * share / whole

    whole = sum(float(CLASSES[y[y != -100]].sum()) for _, y in batches())
    assert report_of(weighted).ok is None
    assert report_of(by_their_sum).ok is True


def by_hand(logits: Tensor, y: Tensor) -> Tensor:
    """Return a loss as many people write it, in which nothing is known but what divides the sum."""
    kept = y != -100
    right = logits.log_softmax(-1).gather(-1, y.clamp(min=0)[:, None])[:, 0]
    return -(right * kept).sum() / kept.sum()


def masked(logits: Tensor, y: Tensor) -> Tensor:
    each = cross_entropy(logits, y, reduction="none")
    return each.sum() / (y != -100).sum()


def chosen(logits: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(logits, y, reduction="none")[y != -100].mean()


WRITTEN = [cross_entropy, by_hand, masked, chosen]


@pytest.mark.parametrize("written", WRITTEN)
def test_a_loop_that_is_tapped_after_scaling_is_judged_as_if_it_were_before(written: Any) -> None:
    def read(before: Callable[[int, int], float], after: float = 1.0) -> Report:
        def late(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
            return step.tap(written(logits, y) * before(n, total), n) * after

        return report_of(late)

    assert read(lambda n, total: n / total).check().weights[0] == pytest.approx(0.3, abs=0.05)
    assert read(lambda n, total: 4 * n / total, 0.25).ok is True  # the framework divides by 4
    assert read(lambda *_: 0.25).verdict is Verdict.MEAN_OF_MEANS
    assert read(lambda *_: 10.0, 0.25).claim == "A weighs every part alike, times 10."
    assert read(lambda *_: 1.0).verdict is Verdict.MEAN_OF_MEANS


@pytest.mark.parametrize("written", WRITTEN)
def test_a_factor_before_the_tap_is_asked_about(written: Any) -> None:
    def scaled(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return step.tap(10 * written(logits, y), n) * n / total

    def meant(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return 10 * step.tap(written(logits, y), n, weight=10.0) * n / total

    report = report_of(scaled)
    assert (report.verdict, report.ok) == (Verdict.AMBIGUOUS, None)
    assert report.claim == "The loss of parts[0] was multiplied by 10 before it was tapped."
    assert "weight=...)" in report.to_do
    assert report_of(meant).ok is True


@pytest.mark.parametrize("written", WRITTEN[:3])
@pytest.mark.parametrize("right", [True, False])
def test_rows_are_no_targets_where_the_loss_counts_tokens(written: Any, right: bool) -> None:  # noqa: FBT001 - one fact
    def of_rows(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return step.tap(written(logits, y), 2) * (n / total if right else 1 / 4)

    report = report_of(of_rows)
    assert (report.verdict, report.ok) == (Verdict.AMBIGUOUS, None), report
    assert report.claim.startswith("The loss of parts[0] itself averages over 1")
    assert "targets=2" in report.claim


@pytest.mark.parametrize("again", [1, 4])
def test_a_sum_that_is_divided_twice_names_what_divided_it_first(again: int) -> None:
    def by_the_total(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return step.tap(cross_entropy(logits, y, reduction="none").sum() / total, n) / again

    report = report_of(by_the_total)
    assert report.ok is (True if again == 1 else None)
    if again > 1:
        total = sum(int((y != -100).sum()) for _, y in batches())
        assert f"a sum that was divided by {total} before it was tapped" in report.claim
        assert 'reduction="sum"' in report.to_do


def test_elements_of_targets_are_in_proportion_to_them() -> None:
    def squares(step: Step, logits: Tensor, _: Tensor, n: int, total: int) -> Tensor:
        return step.tap(logits[:n].square().mean(), n) * n / total

    def error(step: Step, logits: Tensor, _: Tensor, n: int, total: int) -> Tensor:
        return step.tap(0.5 * mse_loss(logits[:n], torch.ones(n, 5)), n) * n / total

    def halved(step: Step, logits: Tensor, _: Tensor, n: int, total: int) -> Tensor:
        return step.tap(logits[:n].square().sum() / 2, n, reduction="sum") / total

    def one_row(step: Step, logits: Tensor, _: Tensor, n: int, total: int) -> Tensor:
        rows = logits[:n].square().reshape(1, -1)
        return step.tap((rows.sum(1) / n).mean(), n) * n / total

    def two(logits: Tensor, y: Tensor) -> Tensor:
        return torch.stack([cross_entropy(logits, y), logits.logsumexp(1)[y != -100].mean()])

    def mean_of_terms(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return step.tap(two(logits, y).mean(), n) * n / total

    def sum_of_terms(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return step.tap(two(logits, y).sum(), n) * n / total

    def divided(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return step.tap(two(logits, y).sum() / 2, n) * n / total

    for right in (squares, error, halved, one_row, mean_of_terms, sum_of_terms, divided):
        assert report_of(right).ok is True, right


def test_a_sum_that_is_tapped_as_a_mean_is_seen_to_be_one() -> None:
    def plain(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return step.tap(cross_entropy(logits, y, reduction="sum"), n) / total

    def divided(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return step.tap(cross_entropy(logits, y, reduction="sum") / total, n)

    def never(step: Step, logits: Tensor, y: Tensor, n: int, _: int) -> Tensor:
        return step.tap(cross_entropy(logits, y, reduction="sum"), n)

    assert report_of(plain).ok is True
    assert report_of(divided).ok is True
    assert report_of(never).verdict is Verdict.RESCALED


def test_a_loss_that_is_unknown_and_tapped_after_dividing_is_asked_about() -> None:
    def late(step: Step, logits: Tensor, _: Tensor, n: int, total: int) -> Tensor:
        return step.tap(logits[:n].logsumexp(1).mean(0, keepdim=True).logsumexp(0) * n / total, n)

    def divided(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return late(step, 4 * logits, y, n, total) / 4

    report = report_of(late)
    assert report.ok is None
    assert report.claim.startswith("Every loss reads 1, and was multiplied or divided before")
    assert report.to_do.startswith("Tap each loss where it is computed, before anything divides it")
    assert report_of(divided).claim.startswith("Every loss reads 0.25, and was multiplied")


def test_losses_per_target_may_be_weighed_before_the_tap() -> None:
    def own_mean(step: Step, logits: Tensor, y: Tensor, n: int, _: int) -> Tensor:
        advantage = torch.linspace(1, 2, len(y))
        losses = step.tap(cross_entropy(logits, y, reduction="none") * advantage, y != -100)
        return losses.sum() / n / 4

    assert report_of(own_mean).verdict is Verdict.MEAN_OF_MEANS


def test_terms_that_are_divided_and_tapped_as_a_sum_are_asked_about() -> None:
    def both(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        spread = 0.01 * logits.square().mean() * n / total
        return step.tap(cross_entropy(logits, y) * n / total + spread, n)

    def never_divided(step: Step, logits: Tensor, y: Tensor, n: int, _: int) -> Tensor:
        return step.tap(cross_entropy(logits, y) + 0.01 * logits.square().mean(), n)

    report = report_of(both)
    assert report.ok is None
    assert "each with its own term=" in str(report.to_do)
    assert report_of(never_divided).verdict is Verdict.MEAN_OF_MEANS


def test_two_terms_that_are_read_and_divided_twice_are_asked_about() -> None:
    def both(logits: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(logits, y) + 0.25 * mse_loss(
            logits[y != -100, 0], torch.ones(int((y != -100).sum()))
        )

    def right(_: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return both(logits, y) * n / total

    def twice(_: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return both(logits, y) * n / total / 4

    assert report_of(right).ok is True  # though 0.25 is one over the number of micro-batches
    report = report_of(twice)
    assert report.ok is None
    assert report.claim.startswith("Cross-entropy counts 1/4 of a mean, and there are 4 micro-batc")


@pytest.mark.parametrize("term", ["loss", "z"])
def test_a_lone_tapped_term_beside_others_is_not_accused_of_its_factor(term: str) -> None:
    def spread(step: Step, logits: Tensor, y: Tensor, weight: float | None = None) -> Tensor:
        own = logits[y != -100].logsumexp(-1).square().mean()
        return 1e-3 * step.tap(own, (y != -100).sum(), term, weight)

    def right(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return (cross_entropy(logits, y) + spread(step, logits, y)) * n / total

    def mean(step: Step, logits: Tensor, y: Tensor, *_: int) -> Tensor:
        return (cross_entropy(logits, y) + spread(step, logits, y)) / 4

    def declared(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return (cross_entropy(logits, y) + spread(step, logits, y, weight=1e-3)) * n / total

    report = report_of(right)
    assert report.ok is None
    assert "counts 0.001 times a mean, and other terms of the objective bypass" in report.claim
    assert report_of(mean).verdict is Verdict.MEAN_OF_MEANS
    said = report_of(declared)
    assert said.ok is True
    assert "without passing a tap" in said.line


def test_a_loss_is_tapped_once() -> None:
    def twice(step: Step, logits: Tensor, y: Tensor, n: int, _: int) -> Tensor:
        return step.tap(step.tap(cross_entropy(logits, y), n), n)

    with pytest.raises(
        ValueError, match=r"^loss must be tapped once, but it is what `tap` returned"
    ):
        report_of(twice)


def test_a_count_is_no_word() -> None:
    def worded(step: Step, logits: Tensor, y: Tensor, n: int, _: int) -> Tensor:
        return step.tap(cross_entropy(logits, y), str(n))

    with pytest.raises(TypeError, match=r"^targets must be a number, or a mask of .* not str$"):
        report_of(worded)
