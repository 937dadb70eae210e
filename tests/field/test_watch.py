"""What `watch` promises: values unchanged, nothing left behind, errors that say what to do."""

import copy
import inspect
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grads_with_norm_  # before any window opens
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from field.launched import torchrun
from field.loops import BATCHES, COUNTS, N, adam, plain, tokens
from field.tiny import IGNORED, mean_loss
from field.workers import SCRIPTS, printed_by
from gradexplain import Report
from gradexplain.integrations.torch import Step, watch
from gradexplain.integrations.torch_sketch import Sketcher


def whole_step(step: Step, model: nn.Module, optimizer: Any, **named: Any) -> None:
    for batch, n in zip(BATCHES, COUNTS, strict=True):
        (step.tap(mean_loss(model, batch), targets=n, **named) * n / N).backward()
    optimizer.step()


@pytest.fixture(name="model")
def _model() -> nn.Module:
    return tokens()


@pytest.fixture(name="watched")
def _watched(model: nn.Module) -> Iterator[tuple[Step, nn.Module, Any]]:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        yield step, model, optimizer


@pytest.mark.parametrize("shape", [(), (7,), (2, 5)])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64])
def test_a_tapped_loss_has_the_same_values(watched: Any, shape: Any, kind: torch.dtype) -> None:
    loss = torch.randn(shape, dtype=kind, requires_grad=True) * 3
    assert torch.equal(watched[0].tap(loss, targets=None if shape else 4), loss)


def test_the_gradients_are_the_same_as_unwatched(model: nn.Module) -> None:
    other = copy.deepcopy(model)
    torch.manual_seed(1)
    for batch, n in zip(BATCHES, COUNTS, strict=True):
        (mean_loss(other, batch) * n / N).backward()
    torch.manual_seed(1)
    plain(model, adam(model), lambda loss, n: loss * n / N)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert one.grad is not None
        assert two.grad is not None
        assert torch.equal(one.grad, two.grad)


def test_nothing_of_the_window_is_left(model: nn.Module) -> None:
    backward, cells = torch.autograd.backward, clip_bodies()
    unscale = torch.amp.GradScaler.unscale_
    hooks = [_global_optimizer_pre_hooks, _global_optimizer_post_hooks]
    before = [list(each) for each in hooks]  # of runs that ended inside a window
    optimizer = Stranger(model)
    plain(model, optimizer, lambda loss, n: loss * n / N)
    assert torch.autograd.backward is backward
    assert clip_bodies() == cells
    assert torch.amp.GradScaler.unscale_ is unscale
    assert "step" not in vars(optimizer)
    assert all(not weight._backward_hooks for weight in model.parameters())  # noqa: SLF001
    assert all(not weight._post_accumulate_grad_hooks for weight in model.parameters())  # noqa: SLF001
    assert [list(each) for each in hooks] == before
    assert not model._forward_hooks  # noqa: SLF001
    torch.save(model, io.BytesIO())
    copy.deepcopy(model)


def clip_bodies() -> list[Any]:
    return [cell.cell_contents for cell in clip_grads_with_norm_.__closure__ or ()]


class Stranger:
    """An optimizer that is none of torch's."""

    def __init__(self, model: nn.Module) -> None:
        self.param_groups = [{"params": list(model.parameters())}]

    def step(self) -> None:
        for weight in self.param_groups[0]["params"]:
            weight.data -= 0.1 * weight.grad


def test_a_window_closes_after_an_error(model: nn.Module) -> None:
    backward = torch.autograd.backward
    with pytest.raises(LookupError), watch(model):
        raise LookupError
    assert torch.autograd.backward is backward


def test_a_model_can_be_copied_and_saved_inside_the_window(watched: Any) -> None:
    step, model, optimizer = watched
    twin = copy.deepcopy(model)
    torch.save(twin.state_dict(), io.BytesIO())
    mean_loss(twin, BATCHES[0]).backward()  # its own gradients, which nobody watches
    whole_step(step, model, optimizer)
    assert step.report().ok is True


def test_a_second_step_is_an_error(model: nn.Module) -> None:
    optimizer = adam(model)
    said = r"AdamW stepped a second time inside the window: leave it after the first step"
    with watch(model, optimizer) as step:
        whole_step(step, model, optimizer)
        with pytest.raises(ValueError, match=said):
            optimizer.step()
    assert step.report().ok is True


def test_windows_may_follow_each_other(model: nn.Module) -> None:
    optimizer = adam(model)
    for _ in range(2):
        optimizer.zero_grad()
        with watch(model, optimizer) as step:
            whole_step(step, model, optimizer)
        assert step.report().ok is True


def test_no_step_is_an_error(model: nn.Module) -> None:
    with watch(model) as step:
        step.tap(mean_loss(model, BATCHES[0]), targets=9).backward()
    with pytest.raises(ValueError, match="none was taken inside the window"):
        step.report()


def test_an_overflow_that_skips_the_step_is_said(model: nn.Module) -> None:
    optimizer, scaler = adam(model), torch.amp.GradScaler("cpu", init_scale=1e38)
    with watch(model, optimizer) as step:
        scaler.scale(step.tap(mean_loss(model, BATCHES[0]), targets=9) * 1e9).backward()
        scaler.step(optimizer)
        scaler.update()
    with pytest.raises(ValueError, match="a scaler skips it where a gradient is infinite"):
        step.report()


def test_a_step_before_any_backward_is_an_error(model: nn.Module) -> None:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        optimizer.step()
    with pytest.raises(ValueError, match="AdamW stepped before any: open the window before"):
        step.report()


def test_gradients_that_are_set_by_hand_are_refused(model: nn.Module) -> None:
    optimizer, weights = adam(model), list(model.parameters())
    with watch(model, optimizer) as step:
        loss = step.tap(mean_loss(model, BATCHES[0]), targets=COUNTS[0])
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        optimizer.step()
    with pytest.raises(ValueError, match=r"set by hand: call loss.backward\(\) instead$"):
        step.report()


def test_a_strangers_step_is_none_of_ours(model: nn.Module) -> None:
    optimizer, other = adam(model), adam(tokens())
    with watch(model, optimizer) as step:
        other.step()
        whole_step(step, model, optimizer)
        other.step()
    assert step.report().ok is True


def test_a_closure_that_is_never_called_is_an_error(model: nn.Module) -> None:
    class Lazy(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            pass

    optimizer = Lazy(model.parameters())
    with (
        watch(model, optimizer),
        pytest.raises(ValueError, match="Lazy never called the closure it was given"),
    ):
        optimizer.step(lambda: None)


def test_nothing_tapped_and_nothing_read_names_the_line_to_add(model: nn.Module) -> None:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        model(BATCHES[0][0]).square().mean().backward()
        optimizer.step()
    with pytest.raises(ValueError, match=r"add `loss = step.tap\(loss, targets=...\)` before"):
        step.report()


@pytest.mark.parametrize(
    ("arguments", "named", "error", "said"),
    [
        (("loss", 3), {}, TypeError, "loss must be a tensor, not str"),
        ((torch.ones(()), 3), {}, ValueError, "loss must depend on the parameters"),
        ((None,), {}, ValueError, 'targets must be given for a scalar loss: .* expect="part"'),
        ((None, -1), {}, ValueError, "targets must be finite and at least 0, not -1"),
        ((None, "many"), {}, TypeError, r"a mask of those that count \(labels != -100\), not str"),
        ((None, True), {}, TypeError, "targets must be a number, or a mask of .*, not bool"),
        ((None, torch.ones(4).long()), {}, TypeError, "of dtype bool, not a tensor of dtype int64"),
        ((None, 3), {"reduction": "none"}, ValueError, """"mean" or "sum", not 'none'"""),
        ((None, 3), {"reduction": []}, ValueError, r"""must be "mean" or "sum", not \[\]"""),
        ((None, 3), {"weight": "0.1"}, TypeError, "weight must be a number or None, not str"),
        ((None, 3), {"weight": True}, TypeError, "weight must be a number or None, not bool"),
        ((None, 3), {"weight": float("nan")}, ValueError, "must be finite and not 0, not nan"),
        ((None, 3), {"weight": 0}, ValueError, "weight must be finite and not 0, not 0"),
        ((None, 3), {"term": 3}, TypeError, "term must be a string, not int"),
        ((None, 3), {"term": None}, TypeError, "term must be a string, not NoneType"),
        ((None, 3), {"term": ""}, ValueError, "term must be a name, not an empty string"),
    ],
)
def test_bad_taps_are_refused(
    watched: Any, arguments: Any, named: Any, error: type[Exception], said: str
) -> None:
    step, model, _ = watched
    loss, *rest = arguments
    loss = mean_loss(model, BATCHES[0]) if loss is None else loss
    with pytest.raises(error, match=said):
        step.tap(loss, *rest, **named)


def test_a_mask_must_have_the_losss_shape(watched: Any) -> None:
    loss = torch.ones(4, requires_grad=True) * 2
    with pytest.raises(ValueError, match=r"the loss's shape, \(4,\), not \(2, 2\)"):
        watched[0].tap(loss, targets=torch.ones(2, 2, dtype=torch.bool))


@pytest.mark.parametrize(
    ("targets", "reduction", "said"),
    [
        (None, "sum", r"must be \"mean\", which is ignored, for a loss of shape \(4,\)"),
        (3, "mean", r"a mask of the loss's shape, \(4,\), or left out, .* not a number"),
        (torch.tensor(3), "mean", "or left out, for a loss that is not a scalar, not a number"),
    ],
)
def test_a_vector_is_neither_a_mean_nor_a_sum(
    watched: Any, targets: Any, reduction: str, said: str
) -> None:
    loss = torch.ones(4, requires_grad=True) * 2
    with pytest.raises(ValueError, match=said):
        watched[0].tap(loss, targets=targets, reduction=reduction)


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        (None, TypeError, "model must be a module, or several, not None"),
        ("a model", TypeError, "model must be a module, or several, not str"),
        (nn.ReLU(), ValueError, "model must have a parameter that requires a gradient"),
    ],
)
def test_bad_models_are_refused(model: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said), watch(model):
        pass


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"expect": "token"}, """must be "target", "part" or .* not 'token'"""),
        ({"expect": [0.5, float("nan")]}, r"must be finite and not all 0, not \[0\.5, nan\]"),
        ({"expect": [0, 0]}, r"expect must be finite and not all 0, not \[0\.0, 0\.0\]"),
        ({"expect": 3}, "a weight for each tapped loss, not 3"),
        ({"optimizer": adam(tokens())}, "but AdamW holds none of them"),
        ({"optimizer": "SGD"}, "but str holds none of them"),
    ],
)
def test_bad_options_are_refused(model: nn.Module, named: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said), watch(model, **named):
        pass


def test_a_count_may_be_a_tensor_and_is_read_at_the_end(model: nn.Module) -> None:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            (step.tap(mean_loss(model, batch), targets=torch.tensor(n)) * n / N).backward()
        optimizer.step()
    assert step.report().ok is True


def test_parameters_of_several_types_are_followed(model: Any) -> None:
    model[3].double()
    model[2].register_forward_hook(lambda _, __, out: out.double())
    assert plain(model, adam(model), lambda loss, n: loss * n / N).ok is True


def test_flattened_parameters_are_refused_with_the_way_out() -> None:
    class FullyShardedDataParallel(nn.Linear):
        pass

    said = r"FullyShardedDataParallel \(FSDP1\) flattens them: let each worker sketch its shards"
    with pytest.raises(ValueError, match=said), watch(FullyShardedDataParallel(2, 2)):
        pass


@pytest.mark.parametrize(
    ("replicas", "said"),
    [
        (2, "replicas must be at least 1 and divide the number of ranks, 1, not 2"),
        (0, "not 0"),
        (True, "replicas must be a number or a process group, not bool"),
        ("all", "replicas must be a number or a process group, not str"),
    ],
)
def test_replicas_must_divide_the_ranks(model: Any, replicas: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said), watch(model, replicas=replicas):
        pass


def test_a_loss_that_is_differentiated_and_never_added_is_left_out(watched: Any) -> None:
    step, model, optimizer = watched
    tried = step.tap(mean_loss(model, BATCHES[0]), targets=COUNTS[0])
    torch.autograd.grad(tried, list(model.parameters()))
    whole_step(step, model, optimizer)
    report = step.report()
    assert report.ok is True
    assert "because their gradients were added to nothing, as when" in " ".join(str(report).split())


def test_evaluation_inside_the_window_is_left_alone(watched: Any) -> None:
    step, model, optimizer = watched
    with torch.no_grad():
        loss = mean_loss(model, BATCHES[0])
        assert step.tap(loss, targets=9) is loss
    whole_step(step, model, optimizer)
    assert step.report().ok is True


def test_weights_of_ones_own_are_judged_by(model: nn.Module) -> None:
    expected = [0.1, 0.2, 0.3, 0.4]
    optimizer = adam(model)
    with watch(model, optimizer, expect=expected) as step:
        for batch, weight in zip(BATCHES, expected, strict=True):
            (step.tap(mean_loss(model, batch)) * weight).backward()
        optimizer.step()
    report = step.report()
    assert report.ok is True
    assert report.intended == "given"
    assert report.expected == pytest.approx(expected)


def test_too_few_weights_are_refused(model: nn.Module) -> None:
    optimizer = adam(model)
    with watch(model, optimizer, expect=[0.5, 0.5]) as step:
        whole_step(step, model, optimizer)
    with pytest.raises(ValueError, match="a weight for each tapped loss, 4, not 2"):
        step.report()


def test_a_terms_weight_is_one_number(watched: Any) -> None:
    step, model, optimizer = watched
    for weight in (0.1, 0.2):
        step.tap(mean_loss(model, BATCHES[0]), targets=3, weight=weight).backward()
    optimizer.step()
    with pytest.raises(ValueError, match=r"each tap of 'loss', not 0\.1 and 0\.2"):
        step.report()


def clipped(model: nn.Module, clip: Callable[[], object], **options: Any) -> Report:
    optimizer = adam(model)
    with watch(model, optimizer, **options) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            (step.tap(mean_loss(model, batch), targets=n) * n / N).backward()
        clip()
        optimizer.step()
    return step.report()


def test_a_clip_by_an_imported_name_is_seen(model: nn.Module) -> None:
    report = clipped(model, lambda: clip_grad_norm_(model.parameters(), 0.01))
    assert report.ok is True
    assert any("The gradient was clipped, × 0.0" in note for note in report.notes)


@pytest.fixture(name="older", params=["wrapped", "plain"])
def _older(request: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return `clip_grad_norm_` and `clip_grad_value_` as torch before 2.6 has them."""
    monkeypatch.delattr(nn.utils, "clip_grads_with_norm_")
    if request.param == "wrapped":
        return clip_grad_norm_, nn.utils.clip_grad_value_

    def plain_copy(function: Any) -> Any:
        body = inspect.unwrap(function)
        copied = FunctionType(body.__code__, body.__globals__, body.__name__, body.__defaults__)
        monkeypatch.setattr(nn.utils, body.__name__, copied)
        return copied

    return plain_copy(clip_grad_norm_), plain_copy(nn.utils.clip_grad_value_)


def test_clips_are_seen_in_older_releases_too(model: nn.Module, older: Any) -> None:
    by_norm, by_value = older
    report = clipped(model, lambda: by_norm(model.parameters(), 0.01))
    assert report.ok is True
    assert any("The gradient was clipped, × 0.0" in note for note in report.notes)
    model.zero_grad()
    with watch(tokens()):  # a window around another
        report = clipped(model, lambda: by_norm(model.parameters(), max_norm=0.01, norm_type=1.0))
    assert report.ok is True
    model.zero_grad()
    report = clipped(model, lambda: by_value(model.parameters(), 1e-4))
    assert "clipped by value" in report.claim
    model.zero_grad()
    assert float(by_norm(model.parameters(), 1.0)) == 0  # nothing of the window is left


def test_a_clip_that_does_not_bite_is_not_mentioned(model: nn.Module) -> None:
    report = clipped(model, lambda: clip_grad_norm_(model.parameters(), 1e3))
    assert report.ok is True
    assert report.notes == ()


def test_a_clip_between_backward_passes_is_none_of_the_whole(model: nn.Module) -> None:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            clip_grad_norm_(model.parameters(), 0.01)
            (step.tap(mean_loss(model, batch), targets=n) * n / N).backward()
        optimizer.step()
    report = step.report()
    assert report.verdict.value == "reweighted"
    assert report.ratios[-1] == 1
    assert report.ratios[0] is not None
    assert report.ratios[0] < 0.1


def by_hand(model: nn.Module) -> Callable[[], None]:
    def clip() -> None:
        for weight in model.parameters():
            assert weight.grad is not None
            weight.grad *= 0.14

    return clip


def test_a_clip_of_ones_own_is_a_factor_until_it_is_declared(model: nn.Module) -> None:
    assert clipped(model, by_hand(model)).verdict.value == "rescaled"
    model.zero_grad()
    report = clipped(model, by_hand(model), clipped=True)
    assert report.ok is True
    assert (
        "The gradient was clipped, × 0.14; the averaging is judged without the clip."
        in report.notes
    )


def scaled(model: nn.Module, *clips: Callable[[], object], **options: Any) -> Report:
    """Clip before a scaler divides, then after."""
    optimizer = adam(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=65536.0, enabled=options.pop("enabled", True))
    before, after = clips
    with watch(model, optimizer, **options) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            loss = step.tap(mean_loss(model, batch), targets=n)
            scaler.scale(loss * n / N).backward()
        before()
        scaler.unscale_(optimizer)
        after()
        scaler.step(optimizer)
        scaler.update()
    return step.report()


def nothing() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("bound", "options", "ok"),
    [
        (1.0, {}, False),
        (1.0, {"enabled": False}, True),
        (1e9, {}, True),  # it does not bite, and would not without the scale
        (6553.6, {}, None),  # the bound may be scaled, too
    ],
)
def test_a_clip_of_scaled_gradients_is_named_where_it_matters(
    model: nn.Module, bound: float, options: Any, ok: object
) -> None:
    report = scaled(model, lambda: clip_grad_norm_(model.parameters(), bound), nothing, **options)
    assert report.ok is ok
    assert ("while still scaled by 2^16" in report.claim) is (ok is not True)
    assert ok or report.questions == ()
    if ok is False:
        assert report.factor == 2.0**-16


def test_a_clip_of_scaled_gradients_is_noted_beside_another_mistake(model: nn.Module) -> None:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            (step.tap(mean_loss(model, batch), targets=n) * 1024 / len(COUNTS)).backward()
        clip_grad_norm_(model.parameters(), 0.1)
        for weight in model.parameters():
            assert weight.grad is not None
            weight.grad /= 1024
        optimizer.step()
    report = step.report()
    assert report.verdict.value == "mean-of-means"
    assert any("while still scaled by 2^10" in note for note in report.notes)


def test_a_declared_clip_is_told_from_the_loss_scale(model: nn.Module) -> None:
    report = scaled(model, nothing, by_hand(model), clipped=True)
    assert report.ok is True
    assert (
        "The gradient was clipped, × 0.14; the averaging is judged without the clip."
        in report.notes
    )


def test_without_its_path_a_gradients_fate_is_unknown_and_said_to_be(model: nn.Module) -> None:
    report = clipped(model, model.zero_grad, path=False)
    assert report.ok is True
    assert (
        "What happens between backward and the optimizer was not watched (path=False)."
        in report.details
    )


def test_a_term_beside_the_taps_is_reported(model: nn.Module) -> None:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            penalty = sum(weight.square().sum() for weight in model.parameters())
            loss = step.tap(mean_loss(model, batch), targets=n)
            (loss * n / N + 1e-4 * penalty).backward()
        optimizer.step()
    report = step.report()
    assert report.ok is True
    assert any("without passing a tap" in note for note in report.notes)
    assert report.to_do == "Nothing for the tapped terms; tap the other one to have it judged."


def test_padding_that_is_trained_is_named(model: nn.Module) -> None:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for inputs, labels in BATCHES:
            mask = labels != IGNORED
            each = nn.functional.cross_entropy(
                model(inputs).transpose(1, 2), labels.clamp(min=0), reduction="none"
            )
            (step.tap(each, targets=mask).sum() / N).backward()
        optimizer.step()
    report = step.report()
    assert report.verdict.value == "reweighted"
    assert "targets that don't count carry a weight" in report.claim


def test_weights_that_differ_inside_a_batch_are_named(model: nn.Module) -> None:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for inputs, labels in BATCHES:
            logits = model(inputs).flatten(0, 1)
            each = nn.functional.cross_entropy(logits, labels.flatten(), reduction="none")
            each = step.tap(each, targets=labels.flatten() != IGNORED)
            n = int((labels != IGNORED).sum())
            shape = torch.linspace(0.5, 1.5, len(each))[labels.flatten() != IGNORED]
            kept = each[labels.flatten() != IGNORED]
            (kept * shape / shape.sum() * n / N).sum().backward()
        optimizer.step()
    report = step.report()
    assert report.verdict.value == "reweighted"
    assert "the targets' weights differ" in report.claim


def test_a_loss_that_is_not_finite_is_named(watched: Any) -> None:
    step, model, optimizer = watched
    for k, (batch, n) in enumerate(zip(BATCHES, COUNTS, strict=True)):
        loss = mean_loss(model, batch) * (float("inf") if k == 2 else 1)
        (step.tap(loss, targets=n) * n / N).backward()
    optimizer.step()
    report = step.report()
    assert report.ok is False
    assert report.claim == "The loss of micro-batch 2 is not finite."


@pytest.mark.parametrize("right", [True, False])
def test_a_batch_without_targets_that_is_skipped_does_no_harm(
    model: nn.Module,
    right: bool,  # noqa: FBT001
) -> None:
    optimizer = adam(model)
    empty = BATCHES[1][0], torch.full_like(BATCHES[1][1], IGNORED)
    batches = [BATCHES[0], empty, BATCHES[2]]
    counts = [COUNTS[0], 0, COUNTS[2]]
    with watch(model, optimizer) as step:
        for batch, n in zip(batches, counts, strict=True):
            loss = step.tap(mean_loss(model, batch), targets=n)
            if torch.isfinite(loss):
                (loss * n / sum(counts) if right else loss / 2).backward()
        optimizer.step()
    report = step.report()
    assert report.verdict.value == ("exact" if right else "mean-of-means")
    assert any(note.startswith("Micro-batch 1 has no targets") for note in report.notes)


def test_identical_micro_batches_are_read_all_the_same(model: nn.Module) -> None:
    model.eval()
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for _ in range(3):
            (step.tap(mean_loss(model, BATCHES[0]), targets=COUNTS[0]) / 3).backward()
        optimizer.step()
    assert step.report().ok is True


def test_the_gradient_that_a_hook_changes_is_part_of_the_backward_pass(model: Any) -> None:
    model[0].weight.register_hook(lambda gradient: gradient * 0.5)
    assert plain(model, adam(model), lambda loss, n: loss * n / N).ok is True


@pytest.mark.parametrize("right", [True, False])
def test_arithmetic_in_place_keeps_the_reading(model: nn.Module, right: bool) -> None:  # noqa: FBT001
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            loss = step.tap(mean_loss(model, batch), targets=n)
            aux = step.tap(model(batch[0]).square().mean(), targets=n, term="aux", weight=0.1)
            loss += 0.1 * aux
            loss *= n if right else 1
            loss /= N if right else len(COUNTS)
            loss.backward()
        optimizer.step()
    assert step.report().verdict.value == ("exact" if right else "mean-of-means")


def test_a_reading_sums_what_several_passes_bring(model: nn.Module) -> None:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        loss = step.tap(mean_loss(model, BATCHES[0]), targets=COUNTS[0])
        (loss / 4).backward(retain_graph=True)
        (loss * 3 / 4).backward()
        optimizer.step()
    assert step.report().ok is True


def test_many_micro_batches_are_read(model: nn.Module) -> None:
    optimizer = adam(model)
    counts = [1 + k % 7 for k in range(40)]
    with watch(model, optimizer) as step:
        for k, n in enumerate(counts):
            if k == 20:
                optimizer.zero_grad()
            inputs, labels = (values[:, :n] for values in BATCHES[0])
            loss = nn.functional.cross_entropy(model(inputs)[0], labels[0])
            (step.tap(loss, targets=n) * n / sum(counts)).backward()
        optimizer.step()
    report = step.report()
    assert report.verdict.value == "dropped"
    assert [k for k, ratio in enumerate(report.ratios) if ratio == 0] == list(range(20))


def test_a_reading_is_detached_and_the_graph_is_freed(watched: Any) -> None:
    step, model, optimizer = watched
    whole_step(step, model, optimizer)
    readings = [r for tap in step._taps.made for r in tap.readings.values()]  # noqa: SLF001
    assert all(isinstance(r, Tensor) and not r.requires_grad for r in readings)


@pytest.mark.parametrize("n", [2, 3, 4, 8, 16, 31, 64])
@pytest.mark.parametrize("opposite", [False, True])
def test_rows_that_are_alike_or_opposite_are_sketched(n: int, opposite: bool) -> None:  # noqa: FBT001
    row = torch.randn(4096, generator=torch.Generator().manual_seed(0))
    rows = row.repeat(n, 1)
    if opposite:
        rows[n // 2 :] *= -(n // 2) / (n - n // 2)
    sketch = Sketcher()(rows, measured=True)
    assert sketch.norm == pytest.approx(float(rows.norm()))
    assert 0.05 < float(sketch.numbers.norm() / sketch.norm) < 30


@pytest.mark.parametrize("right", [True, False])
def test_a_mean_over_the_last_layers_features_is_followed(right: bool) -> None:  # noqa: FBT001
    """Every row of its gradient is the same."""
    torch.manual_seed(0)
    model = nn.Linear(300, 16)
    optimizer = torch.optim.SGD(model.parameters())
    with watch(model, optimizer) as step:
        for k, n in enumerate([9, 6, 4, 1]):
            loss = step.tap(model(torch.randn(n, 300)).mean(-1).square().mean(), targets=n)
            (loss * n / 20).backward()
            if k == 1 and not right:
                optimizer.zero_grad()
        optimizer.step()
    report = step.report()
    assert report.verdict.value == ("exact" if right else "dropped")
    assert not report.notes


@pytest.mark.parametrize("right", [True, False])
def test_gradients_only_read_after_the_last_pass_count_for_nothing(
    model: nn.Module,
    right: bool,  # noqa: FBT001
) -> None:
    optimizer = adam(model)
    with watch(model, optimizer) as step:
        for batch, n in zip(BATCHES, COUNTS, strict=True):
            loss = step.tap(mean_loss(model, batch), targets=n)
            (loss * (n / N if right else 1 / len(COUNTS))).backward(retain_graph=True)
        torch.autograd.grad(loss, list(model.parameters()))
        optimizer.step()
    report = step.report()
    assert report.verdict.value == ("exact" if right else "mean-of-means")
    assert report.details[0] == "From backward to AdamW: × 1 in every pass."


def drop(model: nn.Module, k: int) -> None:
    """Take back what the pass before added."""
    for weight in model.parameters():
        if weight.grad is None:
            continue
        if k == 1:
            weight.kept = weight.grad.clone()
        elif k == 2:
            weight.grad.copy_(weight.kept)


def shrink(model: nn.Module, k: int) -> None:
    for weight in model.parameters():
        if k == 8 and weight.grad is not None:
            weight.grad *= 0.9


def decay(model: nn.Module, k: int) -> None:
    for weight in model.parameters():
        if k == 15 and weight.grad is not None:
            weight.grad += 1e-4 * weight.detach()


@pytest.mark.parametrize(
    ("meddle", "kind", "verdict"),
    [
        (lambda *_: None, torch.bfloat16, "exact"),
        (drop, torch.bfloat16, "dropped"),
        (shrink, torch.bfloat16, "reweighted"),
        (lambda *_: None, torch.float32, "exact"),
        (decay, torch.float32, "unexplained"),
    ],
)
def test_what_is_done_between_many_passes_is_found_in_coarse_arithmetic_too(
    meddle: Callable[[nn.Module, int], object], kind: torch.dtype, verdict: str
) -> None:
    torch.manual_seed(0)
    layers = nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 5)
    model = nn.Sequential(*layers).to(kind)
    optimizer = torch.optim.SGD(model.parameters())
    counts = [5 + 3 * (k % 5) for k in range(16)]
    with watch(model, optimizer) as step:
        for k, n in enumerate(counts):
            outputs = model(torch.randn(n, 20, dtype=kind)).float()
            loss = nn.functional.cross_entropy(outputs, torch.randint(5, (n,)))
            (step.tap(loss, targets=n) * n / sum(counts)).backward()
            meddle(model, k)
        optimizer.step()
    assert step.report().verdict.value == verdict


def shrink_one(model: nn.Module, k: int) -> None:
    """Multiply what the pass in the middle added by 0.85."""
    for weight in model.parameters():
        if k == MANY // 2 - 1:
            weight.kept = weight.grad.clone()
        elif k == MANY // 2:
            weight.grad.copy_(weight.kept + 0.85 * (weight.grad - weight.kept))


def shrink_layer(model: Any, k: int) -> None:
    if k == MANY // 2:
        model[0].weight.grad *= 0.9


def clip_each(model: nn.Module, _: int) -> None:
    clip_grad_norm_(model.parameters(), 0.02)


MANY = 64


@pytest.mark.parametrize(
    ("meddle", "verdict"),
    [
        (lambda *_: None, "exact"),
        (lambda model, _: clip_grad_norm_(model.parameters(), 1e3), "exact"),
        (shrink_one, "reweighted"),
        (shrink_layer, "uneven"),
        (clip_each, "reweighted"),
    ],
    ids=["none", "no clip", "one", "layer", "clips"],
)
def test_rounding_in_bfloat16_hides_less_than_it_seems(
    meddle: Callable[[nn.Module, int], object], verdict: str
) -> None:
    torch.manual_seed(0)
    layers = nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 5)
    model = nn.Sequential(*layers).bfloat16()
    optimizer = torch.optim.SGD(model.parameters())
    counts = [5 + 3 * (k % 5) for k in range(MANY)]
    with watch(model, optimizer) as step:
        for k, n in enumerate(counts):
            outputs = model(torch.randn(n, 20, dtype=torch.bfloat16)).float()
            loss = nn.functional.cross_entropy(outputs, torch.randint(5, (n,)))
            (step.tap(loss, targets=n) * n / sum(counts)).backward()
            with torch.no_grad():
                meddle(model, k)
        optimizer.step()
    report = step.report()
    assert report.verdict.value == verdict
    if report.ok:
        assert any("Rounding in the gradients' own type would hide" in n for n in report.notes)


@pytest.mark.parametrize("shape", [(7,), (300, 4), (4, 300), (200, 150), (20, 3, 3, 3), ()])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_sketch_is_linear_and_knows_no_layout(shape: Any, kind: torch.dtype) -> None:
    sketcher, generator = Sketcher(), torch.Generator().manual_seed(0)

    def sketch(gradient: Tensor) -> Tensor:
        return sketcher(gradient).numbers

    one, two = (torch.randn(shape, generator=generator).to(kind) for _ in range(2))
    both = sketch(one.float() + 3 * two.float())
    assert torch.allclose(both, sketch(one) + 3 * sketch(two), atol=1e-3)
    assert both.abs().sum() > 0
    if len(shape) == 2:
        assert torch.allclose(sketch(one), sketch(one.t().contiguous().t()), atol=1e-4)
    changed = one.clone()
    changed.view(-1)[-1] += 1
    assert not torch.allclose(sketch(changed), sketch(one))


def lines(printed: str) -> list[str]:
    """Return what two workers printed, worker by worker."""
    return sorted(line for line in printed.splitlines() if line)


def test_torchrun_gives_one_report_to_all_and_one_worker_prints_it() -> None:
    found = subprocess.run(
        [sys.executable, *torchrun(2), str(SCRIPTS / "average.py")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    first, second = lines(found.stdout)
    assert first == "0 exact, EXACT: 2 tapped losses on 2 workers"
    assert second == "1 exact, EXACT: worker 0 prints the report."


def test_an_error_of_one_worker_is_one_of_all() -> None:
    first, second = lines(printed_by(2, SCRIPTS / "raise_on_one.py"))
    assert first == "0 RuntimeError: worker 1 raised ValueError: not today"
    assert second == "1 ValueError: not today"


def test_a_missing_worker_is_an_error() -> None:
    late = "report needs every worker, but worker 1 did not come to it within 2 s"
    assert lines(printed_by(2, SCRIPTS / "stay_away.py")) == [f"0 RuntimeError: {late}"]


@pytest.mark.parametrize(
    "shape",
    [(5000,), (200, 3), (6000, 3), (3, 6000), (90, 60), (40, 30, 20), (64, 32, 3, 3), (1, 9000)],
)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_large_gradient_is_sketched_as_it_was(shape: Any, kind: torch.dtype) -> None:
    """In any layout, though it is overwritten before the sketch is made."""
    sketcher, generator = Sketcher(), torch.Generator().manual_seed(0)
    one, two = (torch.randn(shape, generator=generator).to(kind) for _ in range(2))
    other = one.transpose(0, -1).contiguous().transpose(0, -1)
    before, same, second = (sketcher(gradient, measured=True) for gradient in (one, other, two))
    both = sketcher(one.float() + 3 * two.float())
    norm = float(one.float().norm())
    for gradient in (one, other, two):
        gradient.zero_()
    assert before.norm == pytest.approx(norm, rel=1e-3)
    assert torch.allclose(same.numbers, before.numbers, atol=1e-4 * norm)
    summed = before.numbers + 3 * second.numbers
    assert torch.allclose(both.numbers, summed, atol=1e-4 * norm)


@pytest.mark.parametrize(
    "shape",
    [(16,), (300, 300), (90, 800), (5000, 30), (16, 4, 3, 3), (9000,), (128, 128), (129, 510)],
)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("whole", [False, True])
def test_gradients_that_arrive_are_sketched_alike(
    shape: Any,
    kind: torch.dtype,
    whole: bool,  # noqa: FBT001
) -> None:
    """By what is prepared for a parameter, in its layout or another, in its type or another."""
    sketcher = Sketcher()
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(kind)
    arriving = sketcher.like(weight, whole=whole)
    turned = weight.transpose(0, -1).contiguous().transpose(0, -1)
    of_graph = weight.clone().requires_grad_()
    for gradient in (weight, turned, of_graph):
        found = arriving(gradient)
        assert found.kind is kind
        expected = sketcher(weight, whole=whole, measured=True)
        assert torch.allclose(found.numbers, expected.numbers, rtol=1e-4, atol=1e-3)
        assert not found.numbers.requires_grad
    if kind is torch.float32:
        assert torch.allclose(arriving(weight.double()).numbers.float(), found.numbers, atol=1e-3)
        assert torch.allclose(arriving(weight.to_sparse()).numbers, found.numbers, atol=1e-3)


@pytest.mark.parametrize("shape", [(1500, 50), (200, 900), (40, 30, 20, 10)])
def test_what_happens_to_eight_rows_of_a_large_gradient_is_seen(shape: Any) -> None:
    sketcher = Sketcher()
    gradient = torch.ones(shape)
    before = sketcher(gradient).numbers
    rows = gradient.view(-1, *shape[len(shape) // 2 :])
    for first in range(0, len(rows) - 7, 7):
        rows[first : first + 8] *= 2
        assert not torch.allclose(sketcher(gradient).numbers, before)
        rows[first : first + 8] /= 2


def squared(inputs: int, outputs: int, lose: bool) -> str:  # noqa: FBT001
    """Watch a step of a linear layer, of which three passes of four may be lost."""
    torch.manual_seed(0)
    model = nn.Linear(inputs, outputs)
    optimizer = torch.optim.SGD(model.parameters())
    with watch(model, optimizer) as step:
        for _ in range(4):
            if lose:
                optimizer.zero_grad()
            loss = model(torch.randn(5, inputs)).square().mean()
            (step.tap(loss, targets=5) / 4).backward()
        optimizer.step()
    return step.report().verdict.value


@pytest.mark.parametrize(
    ("inputs", "outputs"), [(60, 60), (128, 128), (64, 128), (129, 510), (300, 300), (20, 5000)]
)
def test_layers_of_every_size_are_followed(inputs: int, outputs: int) -> None:
    assert squared(inputs, outputs, lose=False) == "exact"
    assert squared(inputs, outputs, lose=True) == "dropped"


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("rows", [300, 2000])
def test_the_few_rows_of_an_embedding_are_followed(rows: int, sparse: bool) -> None:  # noqa: FBT001
    """A gradient may become dense on its way."""
    for lose, verdict in ((False, "exact"), (True, "dropped")):
        torch.manual_seed(0)
        model = nn.Embedding(rows, 64 if rows > 300 else 8, sparse=sparse)
        optimizer = torch.optim.SGD(model.parameters())
        with watch(model, optimizer) as step:
            for first in range(4):
                if lose:
                    optimizer.zero_grad()
                words = torch.tensor([1, 2, 3, 5, 7]) + 8 * first
                loss = model(words).square().sum(1).mean()
                (step.tap(loss, targets=5) / 4).backward()
            model.weight.grad = model.weight.grad.to_dense()
            optimizer.step()
        assert step.report().verdict.value == verdict


@pytest.mark.parametrize("shape", [(200, 300), (300, 200), (400, 300), (0,), (300, 300)])
def test_a_parameter_may_get_another_shape_inside_the_window(shape: tuple[int, ...]) -> None:
    """As where it is gathered for each pass."""
    torch.manual_seed(0)
    model = nn.Module()
    model.weight = nn.Parameter(torch.randn(shape))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with watch(model, optimizer) as step:
        model.weight.data = torch.randn(200, 300)
        for _ in range(2):
            loss = (model.weight * torch.randn(200, 300)).mean()
            (step.tap(loss, targets=5) / 2).backward()
        optimizer.step()
    assert step.report().verdict.value == "exact"


def test_a_conjugated_gradient_is_sketched() -> None:
    weight = torch.randn(200, 300, dtype=torch.complex64)
    assert torch.allclose(
        Sketcher()(weight.conj()).numbers, Sketcher()(weight.conj().clone()).numbers
    )


def test_an_empty_gradient_has_an_empty_sketch() -> None:
    """As a worker's shard may be."""
    assert torch.equal(Sketcher()(torch.zeros(0, 4)).numbers, torch.zeros(131))


def test_sketches_that_wait_are_made_once_they_are_many() -> None:
    sketcher = Sketcher()
    few = [sketcher(torch.ones(9000)) for _ in range(3)]
    sketcher.settle()
    assert all(one.made is None for one in few)
    many = [sketcher(torch.ones(4000)) for _ in range(300)]
    sketcher.settle()
    assert all(one.made is not None and len(one.made) == 131 for one in few + many)


def hidden_from_its_version(weight: nn.Parameter, factor: float) -> None:
    assert weight.grad is not None
    before = weight.grad._version  # noqa: SLF001 - nothing public counts changes
    weight.grad.data.mul_(factor)
    assert weight.grad._version == before  # noqa: SLF001


def through_another_view(weight: nn.Parameter, factor: float) -> None:
    """As a reduction over workers writes into its buckets."""
    assert weight.grad is not None
    bucket = torch.empty(0).set_(weight.grad.untyped_storage())
    bucket.mul_(factor)


@pytest.mark.parametrize("change", [hidden_from_its_version, through_another_view])
@pytest.mark.parametrize(("at", "verdict"), [(None, "exact"), (1, "reweighted"), (3, "rescaled")])
@pytest.mark.parametrize("width", [8, 128, 4096])
def test_a_change_that_no_version_counts_is_seen(
    change: Callable[[nn.Parameter, float], None], at: int | None, verdict: str, width: int
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, width), nn.Tanh(), nn.Linear(width, 5))
    optimizer = torch.optim.SGD(model.parameters())
    counts = [5, 9, 2, 4]
    with watch(model, optimizer) as step:
        for k, n in enumerate(counts):
            outputs = model(torch.randn(n, 20))
            loss = nn.functional.cross_entropy(outputs, torch.randint(5, (n,)))
            (step.tap(loss, targets=n) * n / sum(counts)).backward()
            if k == at:
                for weight in model.parameters():
                    change(weight, 0.5)
        optimizer.step()
    assert step.report().verdict.value == verdict
