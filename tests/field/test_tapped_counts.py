"""What a tap knows of its loss beyond the gradient: the count it divides by, what it leaves out."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

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


def test_a_right_loop_that_is_tapped_after_dividing_is_not_accused() -> None:
    def late(step: Step, logits: Tensor, y: Tensor, n: int, total: int) -> Tensor:
        return step.tap(cross_entropy(logits, y) * n / total, n)

    def never_divided(step: Step, logits: Tensor, y: Tensor, n: int, _: int) -> Tensor:
        return step.tap(cross_entropy(logits, y), n)

    report = report_of(late)
    assert report.ok is None
    assert report.to_do is not None
    assert report.to_do.startswith("Tap each loss where it is computed, before anything divides it")
    assert report_of(never_divided).verdict is Verdict.MEAN_OF_MEANS


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
