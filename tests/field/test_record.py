"""`record`: whatever the PyTorch loop does, the audit reads what its optimiser was handed."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from field.tiny import (
    Batch,
    language_model,
    mean_loss,
    summed_loss,
    targets_in,
    token_batches,
)
from gradexplain import Report
from gradexplain.integrations.torch import record
from gradexplain.integrations.torch_state import State

BATCHES = token_batches()
COUNTS = [targets_in(batch) for batch in BATCHES]
RIGHT = [count / sum(COUNTS) for count in COUNTS]


def over_k(model: nn.Module, batch: Batch) -> Tensor:
    return mean_loss(model, batch) / len(BATCHES)


def over_count(model: nn.Module, batch: Batch) -> Tensor:
    return summed_loss(model, batch) / sum(COUNTS)


def audit(
    model: nn.Module,
    loop: Callable[[nn.Module, Batch], Tensor],
    batches: Sequence[Batch] = BATCHES,
    **options: Any,
) -> Report:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    with record(model) as step:
        for batch in BATCHES:
            loop(model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    return step.audit(lambda batch: mean_loss(model, batch), batches, COUNTS, **options)


def test_the_loop_over_k_reads_as_a_mean_of_means() -> None:
    report = audit(language_model(), over_k)
    assert report.verdict.value == "mean of means"
    assert report.weights == pytest.approx([0.25] * 4, abs=1e-5)
    assert report.expected == pytest.approx(RIGHT)


def test_the_loop_over_the_count_reads_as_exact() -> None:
    assert audit(language_model(), over_count).verdict.value == "exact"


def test_the_optimiser_has_stepped_and_the_audit_moves_nothing() -> None:
    model = nn.Sequential(*language_model(), nn.Dropout(0.5))
    before = State(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with record(model) as step:
        over_k(model, BATCHES[0]).backward()
        optimizer.step()
    torch.rand(3)
    after = State(model)
    assert not all(torch.equal(before.values[n], after.values[n]) for n in before.values)
    model.eval()
    step.audit(lambda batch: mean_loss(model, batch), BATCHES[:1], COUNTS[:1])
    now = State(model)
    assert all(torch.equal(after.values[n], now.values[n]) for n in after.values)
    assert all(after.gradients[n] is now.gradients[n] for n in after.gradients)
    assert torch.equal(after.random[0], now.random[0])
    assert not any(now.modes.values())


def test_nothing_is_left_hooked() -> None:
    model = language_model()
    with record(model) as step:
        pass
    mean_loss(model, BATCHES[0]).backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert step.passes == []
    assert step.handed == {}


def test_dropout_is_drawn_again_as_the_loop_drew_it() -> None:
    model = nn.Sequential(*language_model()[:2], nn.Dropout(0.5), language_model()[2])
    report = audit(model, over_count)
    assert report.verdict.value == "exact"
    assert any("random numbers" in note for note in report.notes)


def test_random_numbers_drawn_between_micro_batches_do_no_harm() -> None:
    model = nn.Sequential(*language_model()[:2], nn.Dropout(0.5), language_model()[2])

    def loop(model: nn.Module, batch: Batch) -> Tensor:
        torch.rand(7)  # a loader that shuffles
        return over_count(model, batch)

    assert audit(model, loop).verdict.value == "exact"


def test_the_modes_are_those_of_the_forward_pass() -> None:
    model = nn.Sequential(*language_model()[:2], nn.Dropout(0.5), language_model()[2]).eval()

    def loop(model: nn.Module, batch: Batch) -> Tensor:
        return over_count(model.train(), batch)

    report = audit(model, loop)
    assert report.verdict.value == "exact"
    assert any("random numbers" in note for note in report.notes)


def test_a_weight_that_few_micro_batches_use_does_not_blur_the_passes() -> None:
    torch.manual_seed(0)
    model = nn.ModuleList([nn.Linear(3, 1), nn.Linear(3, 1)])
    batches = [(k, torch.randn(8, 3)) for k in (0, 1, 0, 1)]

    class Routed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = model

        def forward(self, batch: tuple[int, Tensor]) -> Tensor:
            return self.experts[batch[0]](batch[1]).square().mean()

    routed = Routed()
    with record(routed) as step:
        for batch in batches:
            (routed(batch) / 4).backward()
        torch.optim.SGD(routed.parameters(), lr=0.1).step()
    assert step.audit(routed, batches, [8, 8, 8, 8]).implied == pytest.approx([0.25] * 4, abs=1e-5)


def test_dropout_leaves_no_full_batch_to_compare_with() -> None:
    model = nn.Sequential(*language_model()[:2], nn.Dropout(0.5), language_model()[2])
    with pytest.raises(ValueError, match=r"^full must be left out, for the loss draws random"):
        audit(model, over_count, full=BATCHES[0])


def test_batch_normalisation_is_told_and_its_buffers_kept() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1))
    batches = [torch.randn(8, 5) + k for k in range(3)]

    def loss(batch: Tensor) -> Tensor:
        return model(batch).square().mean()

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with record(model) as step:
        for batch in batches:
            (loss(batch) / 3).backward()
        optimizer.step()
    buffers = [buffer.clone() for buffer in model.buffers()]
    report = step.audit(loss, batches, [8, 8, 8])
    assert report.verdict.value == "exact"
    assert any("1 normalises each part by its own statistics" in note for note in report.notes)
    report = step.audit(loss, batches, [8, 8, 8], full=torch.cat(batches))
    assert report.verdict.value == "not a mean"
    assert not any("normalises" in note for note in report.notes)
    assert all(map(torch.equal, buffers, model.buffers()))


def test_batch_normalisation_that_is_evaluated_couples_nothing() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Linear(6, 1)).eval()
    batches = [torch.randn(8, 5) + k for k in range(3)]
    with record(model) as step:
        for batch in batches:
            (model(batch).square().mean() / 3).backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    report = step.audit(lambda batch: model(batch).square().mean(), batches, [8, 8, 8])
    assert report.verdict.value == "exact"
    assert not any("normalises" in note for note in report.notes)


def test_a_scaler_is_read_after_it_has_divided() -> None:
    model = language_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with record(model, scaler) as step:
        for batch in BATCHES:
            scaler.scale(over_k(model, batch)).backward()
        scaler.step(optimizer)
        scaler.update()
    report = step.audit(lambda batch: mean_loss(model, batch), BATCHES, COUNTS)
    assert report.verdict.value == "mean of means"
    assert report.factor == pytest.approx(1)
    assert "the gradient was read after the scaler had divided by 1024" in report.notes


def test_autocast_widens_the_tolerance() -> None:
    model = language_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss(batch: Batch) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return mean_loss(model, batch)

    with record(model) as step:
        for batch in BATCHES:
            (loss(batch) / 4).backward()
        optimizer.step()
    assert step.arithmetic == "bfloat16"
    report = step.audit(loss, BATCHES, COUNTS)
    assert "bfloat16" in report.why
    assert report.verdict.value == "mean of means"
    step.audit(lambda batch: mean_loss(model, batch), BATCHES, COUNTS)  # in float32: near enough


def test_clipping_reads_as_a_factor() -> None:
    model = language_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with record(model) as step:
        for batch in BATCHES:
            over_count(model, batch).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        optimizer.step()
    report = step.audit(lambda batch: mean_loss(model, batch), BATCHES, COUNTS)
    assert report.verdict.value == "rescaled"
    assert report.factor == pytest.approx(1e-3 / float(norm), rel=1e-2)


def test_gradients_zeroed_each_time_read_as_dropped() -> None:
    model = language_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with record(model) as step:
        for batch in BATCHES:
            optimizer.zero_grad()
            over_count(model, batch).backward()
        optimizer.step()
    report = step.audit(lambda batch: mean_loss(model, batch), BATCHES, COUNTS)
    assert report.verdict.value == "dropped"
    assert report.weights[:3] == pytest.approx([0] * 3, abs=1e-6)


def test_gradients_left_over_read_as_an_extra_term() -> None:
    model = language_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    mean_loss(model, token_batches((9,))[0]).backward()
    with record(model) as step:
        for batch in BATCHES:
            over_count(model, batch).backward()
        optimizer.step()
    report = step.audit(lambda batch: mean_loss(model, batch), BATCHES, COUNTS)
    assert report.verdict.value == "an extra term"
    assert "gradients held before" in report.says


def test_two_optimisers_hand_over_one_gradient() -> None:
    model = language_model()
    optimizers = [torch.optim.SGD(module.parameters(), lr=0.1) for module in (model[0], model[2])]
    with record(model) as step:
        for batch in BATCHES:
            over_count(model, batch).backward()
        for optimizer in optimizers:
            optimizer.step()
    report = step.audit(lambda batch: mean_loss(model, batch), BATCHES, COUNTS)
    assert report.verdict.value == "exact"


def test_a_frozen_weight_and_a_strangers_optimiser_are_left_out() -> None:
    model = language_model()
    model[0].requires_grad_(requires_grad=False)
    other = nn.Parameter(torch.ones(3))
    with record(model) as step:
        torch.optim.SGD([other], lr=0.1).step()
        for batch in BATCHES:
            over_count(model, batch).backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    report = step.audit(lambda batch: mean_loss(model, batch), BATCHES, COUNTS)
    assert report.verdict.value == "exact"
    assert report.size == sum(weight.numel() for weight in model[2].parameters())


def test_a_weight_that_no_optimiser_takes_is_left_out() -> None:
    model = language_model()
    with record(model) as step:
        for batch in BATCHES:
            over_count(model, batch).backward()
        torch.optim.SGD(model[2].parameters(), lr=0.1).step()
    report = step.audit(lambda batch: mean_loss(model, batch), BATCHES, COUNTS)
    assert report.verdict.value == "exact"
    assert report.size == sum(weight.numel() for weight in model[2].parameters())


def test_a_strangers_step_is_no_step() -> None:
    model = language_model()
    with record(model) as step:
        over_k(model, BATCHES[0]).backward()
        torch.optim.SGD([nn.Parameter(torch.ones(3))], lr=0.1).step()
    with pytest.raises(ValueError, match="but no optimiser took one"):
        step.audit(lambda batch: mean_loss(model, batch), BATCHES[:1], COUNTS[:1])


def test_a_sparse_embedding_gradient_is_read() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(16, 8, sparse=True), nn.Tanh(), nn.Linear(8, 16))
    with record(model) as step:
        for batch in BATCHES:
            over_count(model, batch).backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    report = step.audit(lambda batch: mean_loss(model, batch), BATCHES, COUNTS)
    assert report.verdict.value == "exact"


def test_a_model_that_is_not_called_by_its_forward_is_read_all_the_same() -> None:
    model = language_model()
    with record(model) as step:
        for batch in BATCHES:
            hidden = model[1](model[0](batch[0]))
            loss = F.cross_entropy(model[2](hidden).flatten(0, 1), batch[1].flatten())
            (loss / 4).backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    report = step.audit(lambda batch: mean_loss(model, batch), BATCHES, COUNTS)
    assert report.verdict.value == "mean of means"


def test_other_micro_batches_are_refused() -> None:
    said = (
        r"^micro_batches\[0\] must give the gradient that backward pass 0 added, but its direction "
        r"is 0\.\d+ of a length off: other data, another loss, or randomness$"
    )
    with pytest.raises(ValueError, match=said):
        audit(language_model(), over_k, batches=BATCHES[::-1])


def test_too_few_micro_batches_are_refused() -> None:
    said = r"^micro_batches must be as many as the backward passes, 4, not 3$"
    with pytest.raises(ValueError, match=said):
        audit(language_model(), over_k, batches=BATCHES[:3])


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (0, r"no optimiser took one \(a scaler skips it where it meets infinity\)"),
        (2, "the optimiser took more than one step"),
    ],
)
def test_any_other_number_of_steps_is_refused(steps: int, said: str) -> None:
    model = language_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with record(model) as step:
        over_k(model, BATCHES[0]).backward()
        for _ in range(steps):
            optimizer.step()
    with pytest.raises(ValueError, match=rf"^record must see one accumulation step, but {said}$"):
        step.audit(lambda batch: mean_loss(model, batch), BATCHES[:1], COUNTS[:1])


def test_a_loop_inside_the_optimisers_closure_is_refused() -> None:
    model = language_model()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=1)

    def closure() -> Tensor:
        loss = mean_loss(model, BATCHES[0])
        loss.backward()
        return loss

    with record(model) as step:
        optimizer.step(closure)
    with pytest.raises(
        ValueError, match=r"but its step came before any backward pass \(the loop in"
    ):
        step.audit(lambda batch: mean_loss(model, batch), BATCHES[:1], COUNTS[:1])


def test_a_step_before_the_loop_is_refused() -> None:
    model = language_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with record(model) as step:
        optimizer.step()
        over_k(model, BATCHES[0]).backward()
        optimizer.step()
    with pytest.raises(ValueError, match="but its step came before any backward pass"):
        step.audit(lambda batch: mean_loss(model, batch), BATCHES[:1], COUNTS[:1])


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    said = r"^record needs all parts in one process, not 2: let each worker sketch its own$"
    with pytest.raises(ValueError, match=said), record(language_model()):
        pass
