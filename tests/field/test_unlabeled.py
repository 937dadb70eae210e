"""Right loops without a tap raise no alarm: labels that the model made, losses that it weighs."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from field.cases.transformers_trainer import tiny_config
from field.losses_bent import BENT, PLAIN, Each
from gradexplain import Report
from gradexplain.integrations.torch import watch

CLASSES, SURE = 5, 0.6
Losses = Callable[..., list[Tensor]]
LOOPS: list[Losses] = []


def loop(losses: Losses) -> Losses:
    LOOPS.append(losses)
    return losses


def entropy(z: Tensor, y: Tensor, **options: Any) -> Tensor:
    return F.cross_entropy(z, y, **options)


def guessed(model: Any, weak: Tensor) -> tuple[Tensor, Tensor]:
    """Return the labels that the model gives, and where it is sure of them."""
    with torch.no_grad():
        sure, labels = model(weak).softmax(-1).max(-1)
    return labels, sure >= SURE


def watched(losses: Losses, sizes: Sequence[int], *, together: bool, share: Any = None) -> Report:
    """Watch a step; its micro-batches' terms have a pass together, or each its own."""
    torch.manual_seed(0)
    model: Any = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, CLASSES))
    with torch.no_grad():
        model[2].weight.mul_(3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model) as step:
        for n in sizes:
            x, weak = torch.randn(n, 6), torch.randn(2 * n, 6)
            y, strong = torch.randint(CLASSES, (n,)), weak + 0.3 * torch.randn(2 * n, 6)
            each = losses(model, x, y, weak, strong)
            for loss in [sum(each, torch.zeros(()))] if together else each:
                weight = n / sum(sizes) if share is None else share
                (loss * weight).backward(retain_graph=True)
        optimizer.step()
    return step.report()


@loop
def mean_over_all(model: Any, x: Tensor, y: Tensor, weak: Tensor, strong: Tensor) -> list[Tensor]:
    labels, sure = guessed(model, weak)
    each = entropy(model(strong), labels, reduction="none") * sure
    return [entropy(model(x), y), each.mean()]


@loop
def mean_over_the_sure(
    model: Any, x: Tensor, y: Tensor, weak: Tensor, strong: Tensor
) -> list[Tensor]:
    labels, sure = guessed(model, weak)
    each = entropy(model(strong), labels, reduction="none") * sure
    return [entropy(model(x), y), each.sum() / sure.sum().clamp(min=1)]


@loop
def half_as_important(
    model: Any, x: Tensor, y: Tensor, weak: Tensor, strong: Tensor
) -> list[Tensor]:
    labels, sure = guessed(model, weak)
    each = entropy(model(strong), labels, reduction="none") * sure
    return [entropy(model(x), y), 0.5 * each.mean()]


@loop
def the_others_ignored(
    model: Any, x: Tensor, y: Tensor, weak: Tensor, strong: Tensor
) -> list[Tensor]:
    labels, sure = guessed(model, weak)
    return [entropy(model(x), y), entropy(model(strong), labels.where(sure, -100))]


@loop
def the_others_ignored_in_a_sum(
    model: Any, x: Tensor, y: Tensor, weak: Tensor, strong: Tensor
) -> list[Tensor]:
    labels, sure = guessed(model, weak)
    summed = entropy(model(strong), labels.where(sure, -100), reduction="sum")
    return [entropy(model(x), y), summed / len(weak)]


@loop
def the_others_left_out(
    model: Any, x: Tensor, y: Tensor, weak: Tensor, strong: Tensor
) -> list[Tensor]:
    labels, sure = guessed(model, weak)
    return [entropy(model(x), y), entropy(model(strong[sure]), labels[sure])]


@loop
def every_guess_taken(
    model: Any, x: Tensor, y: Tensor, weak: Tensor, strong: Tensor
) -> list[Tensor]:
    labels, _ = guessed(model, weak)
    return [entropy(model(x), y), entropy(model(strong), labels)]


@loop
def in_one_forward_pass(
    model: Any, x: Tensor, y: Tensor, weak: Tensor, strong: Tensor
) -> list[Tensor]:
    z, w, s = model(torch.cat([x, weak, strong])).split([len(x), len(weak), len(strong)])
    labels = w.detach().argmax(-1)
    return [entropy(z, y), entropy(s, labels)]


@loop
def a_teacher_of_its_own(
    model: Any, x: Tensor, y: Tensor, weak: Tensor, strong: Tensor
) -> list[Tensor]:
    """The labels come from a module that nobody watches."""
    labels = (weak.detach() @ torch.ones(6, CLASSES).cumsum(1).sin()).argmax(-1)
    labeled = entropy(model(x), y)
    return [labeled, entropy(model(strong), labels)]


@loop
def mixed_labels(model: Any, x: Tensor, y: Tensor, weak: Tensor, _: Tensor) -> list[Tensor]:
    z = model(0.3 * x + 0.7 * x.flip(0))
    return [0.3 * entropy(z, y), 0.7 * entropy(z, y.flip(0)) + 0 * weak.sum()]


@pytest.mark.parametrize("losses", LOOPS)
@pytest.mark.parametrize("sizes", [(8,), (8, 8), (8, 8, 8), (9, 6, 4)])
@pytest.mark.parametrize("together", [True, False])
def test_a_right_loop_raises_no_alarm(losses: Losses, sizes: Any, together: bool) -> None:  # noqa: FBT001
    report = watched(losses, sizes, together=together)
    assert report.ok is not False, report
    assert report.ok or "step.tap(loss, targets=" in report.to_do


def labeled(model: Any, x: Tensor, y: Tensor, *_: Tensor) -> list[Tensor]:
    return [entropy(model(x), y)]


def test_passes_of_the_same_lines_are_still_judged() -> None:
    assert watched(labeled, (9, 6, 4), together=False).ok is True
    assert watched(labeled, (9, 6, 4), together=False, share=1 / 3).verdict.value == "mean-of-means"
    assert watched(labeled, (8, 8), together=False, share=1.0).verdict.value == "rescaled"


def test_passes_of_other_lines_ask_for_a_tap_where_they_are_off() -> None:
    def unrolled(share: float) -> Report:
        torch.manual_seed(0)
        model = nn.Linear(6, CLASSES)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        y = torch.arange(8) % CLASSES
        with watch(model, optimizer) as step:
            (entropy(model(torch.randn(8, 6)), y) * share).backward()
            (entropy(model(torch.randn(8, 6)), y.flip(0)) * share).backward()
            optimizer.step()
        return step.report()

    assert unrolled(0.5).ok is True
    report = unrolled(1.0)
    assert report.ok is None
    assert "in the lines that they come from" in report.claim


LENGTHS = [(12, 3, 20, 5), (2, 2, 2, 2), (2, 3, 2, 4)]


def read_at_the_head(
    each: Each, lengths: Sequence[int], by: str, kind: torch.dtype, *, trained: bool = False
) -> Report | None:
    """Watch a step of a Hugging Face model, its loss by hand; None if that is not read."""
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(tiny_config())
    batches = [torch.randint(32, (1, n)) for n in lengths]
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(25 if trained else 0):
        for ids in batches:
            model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.to(kind)
    total = sum(lengths) - len(lengths)
    with watch(model, path=False) as step:
        for ids in batches:
            losses = each(model(input_ids=ids).logits.float(), ids)
            loss = losses.mean() / len(batches) if by == "part" else losses.sum() / total
            (2 * loss if by == "twice" else loss).backward()
        torch.optim.SGD(model.parameters(), 0.0).step()
    try:
        return step.report()
    except ValueError as error:
        assert "add `loss = step.tap(loss" in str(error)  # noqa: PT017 - refused, or read
        return None


@pytest.mark.parametrize("each", BENT)
@pytest.mark.parametrize(
    ("lengths", "trained"), [(LENGTHS[0], False), (LENGTHS[1], False), (LENGTHS[2], True)]
)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_right_loss_that_depends_on_the_model_raises_no_alarm(
    each: Each,
    lengths: Sequence[int],
    kind: torch.dtype,
    trained: bool,  # noqa: FBT001
) -> None:
    right = read_at_the_head(each, lengths, "target", kind, trained=trained)
    assert right is None or right.ok is not False, right
    assert right is None or right.ok or kind != torch.float32 or "step.tap(loss," in right.to_do
    if len(set(lengths)) > 1:
        wrong = read_at_the_head(each, lengths, "part", kind, trained=trained)
        assert wrong is None or wrong.ok is not True, wrong


@pytest.mark.parametrize("each", PLAIN)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_cross_entropy_by_hand_is_still_judged_at_the_head(each: Each, kind: torch.dtype) -> None:
    found = [read_at_the_head(each, LENGTHS[0], by, kind) for by in ("target", "part", "twice")]
    verdicts = [report.verdict.value for report in found if report is not None]
    assert verdicts == ["exact", "mean-of-means", "rescaled"]
