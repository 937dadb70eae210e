"""One loss of the whole batch, tapped in each of several passes through a part of the batch."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradexplain import Report
from gradexplain.integrations.torch import watch

SIZES = 6, 6, 6, 6
K, PAIRS = len(SIZES), sum(SIZES)


def softmax_loss(one: Tensor, other: Tensor) -> Tensor:
    return F.cross_entropy(5 * one @ other.T, torch.arange(len(one)))


def sigmoid_loss(one: Tensor, other: Tensor) -> Tensor:
    """A loss without a node that shows its targets."""
    signs = 2 * torch.eye(len(one)) - 1
    return -F.logsigmoid(signs * (5 * one @ other.T)).sum() / len(one)


def cached(
    loss_of: Callable[[Tensor, Tensor], Tensor],
    share: float = 1.0,
    side: float = 0.0,
    watching: dict[str, Any] | None = None,
    **tapping: Any,
) -> Report:
    """Accumulate as open_clip does: each pass has the features of one micro-batch alive."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    batches = [torch.randn(size, 8) for size in SIZES]

    def features(which: int, alive: int) -> list[Tensor]:
        with contextlib.nullcontext() if which == alive else torch.no_grad():
            both = model(batches[which]), model(batches[which].flip(-1))
        return [F.normalize(one, dim=-1) for one in both]

    with watch(model, optimizer, **watching or {}) as step:
        for k in range(K):
            one, other = (
                torch.cat(each) for each in zip(*(features(j, k) for j in range(K)), strict=True)
            )
            loss = step.tap(loss_of(one, other), targets=PAIRS, **tapping) * share
            if side:
                out = model(batches[k]).square().mean()
                loss = loss + side * step.tap(out, targets=SIZES[k], term="size", weight=0.5)
            loss.backward()
        optimizer.step()
    return step.report()


LOSSES = pytest.mark.parametrize("loss_of", [softmax_loss, sigmoid_loss])


@LOSSES
@pytest.mark.parametrize("path", [True, False])
def test_a_cached_contrastive_loss_is_left_open_with_its_way_out(loss_of: Any, path: bool) -> None:  # noqa: FBT001
    report = cached(loss_of, watching={"path": path})
    assert report.ok is None, report
    assert "then tap it with weight=4." in report.claim
    assert "times 4" in " ".join(report.notes)
    assert cached(loss_of, weight=4.0).ok is True


@LOSSES
def test_the_same_divided_by_the_number_of_passes_is_no_proof_of_a_mean(loss_of: Any) -> None:
    assert cached(loss_of, 1 / K).ok is None
    assert cached(loss_of, 1 / K, weight=4.0).verdict.value == "rescaled"
    assert cached(loss_of, 1 / K, watching={"expect": "part"}).ok is True


def test_another_factor_stays_an_alarm() -> None:
    assert cached(softmax_loss, 2.0).verdict.value == "rescaled"
    assert cached(softmax_loss, watching={"expect": "part"}).verdict.value == "rescaled"


def test_a_cached_loss_beside_another_term() -> None:
    assert cached(softmax_loss, side=0.5 / K).ok is None
    assert cached(softmax_loss, side=0.5 / K, weight=4.0).ok is True
    assert cached(softmax_loss, side=0.5).ok is False
    assert cached(softmax_loss, side=0.5 / K, term="pairs").ok is True  # only its proportions


def plain(share: float, *, same: bool = False, classes: int = 5) -> Report:
    """Watch a loop whose head is zero at first, so that all its losses are log of the classes."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, classes))
    if not same:
        nn.init.zeros_(model[2].weight)
        nn.init.zeros_(model[2].bias)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    batches = [(torch.randn(6, 8), torch.randint(classes, (6,))) for _ in SIZES]
    with watch(model, optimizer) as step:
        for batch in batches:
            x, y = batches[0] if same else batch
            (step.tap(F.cross_entropy(model(x), y), targets=len(y)) * share).backward()
        optimizer.step()
    return step.report()


@pytest.mark.parametrize("same", [True, False])
def test_losses_that_are_equal_for_another_reason_are_judged(same: bool) -> None:  # noqa: FBT001
    assert plain(1 / K, same=same).ok is True
    assert plain(1.0, same=same).verdict.value == "rescaled"
