"""Faults planted in the integration itself: each must fail the test that is there for it.

Mutation testing does not reach these modules, since their tests need PyTorch. A fault is planted by
replacing one function; the check beside it passes without the fault and must fail with it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import test_audit_tap
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from field import test_readers, test_tapped_counts, test_watch
from field.loops import adam, plain, tokens
from field.test_loops import LOOPS, said
from field.test_readers import bce
from gradexplain.audit.tap import path, ways
from gradexplain.integrations import torch as integration
from gradexplain.integrations import (
    torch_clips,
    torch_head,
    torch_passes,
    torch_path,
    torch_readers,
    torch_scaled,
    torch_seen,
    torch_sketch,
    torch_taps,
    torch_terms,
)

Patch = pytest.MonkeyPatch
FAULTS: dict[str, tuple[Callable[[Patch], None], Callable[[], None]]] = {}


def both(name: str) -> Callable[[], None]:
    """Return the check of one loop: its right version is exact, its wrong one is named."""

    def check() -> None:
        loop = LOOPS[name]
        assert loop.run(right=True).ok is True
        wrong = loop.run(right=False)
        assert wrong.verdict.value == loop.verdict
        assert loop.words in said(wrong)

    return check


def fault(check: Callable[[], None]) -> Callable[[Callable[[Patch], None]], None]:
    def known(plant: Callable[[Patch], None]) -> None:
        FAULTS[plant.__name__] = plant, check

    return known


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


@fault(both("arithmetic_in_place"))
def a_view_is_hooked_instead_of_a_copy(patch: Patch) -> None:
    def read(self: Any, loss: torch.Tensor, tap: Any) -> torch.Tensor:
        tapped = loss.view_as(loss)
        tapped.register_hook(self._reader(tap))
        return tapped

    patch.setattr(torch_taps.Taps, "read", read)


@fault(both("divided_by_the_number_of_batches"))
def the_loss_is_hooked_after_the_division(patch: Patch) -> None:
    """The gradient of the root is 1, whatever is divided below it."""

    def begin(_: Any, one: Any, roots: Any) -> None:
        for tap in STEPS[-1]._taps.made[-1:]:
            tap.readings.clear()
            roots[0].register_hook(tap.readings.setdefault(one, torch.ones(())).mul_)

    STEPS.clear()
    make = integration.Step.__init__

    def made(self: Any, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        STEPS.append(self)

    patch.setattr(integration.Step, "__init__", made)
    patch.setattr(integration.Step, "_begin", begin)
    patch.setattr(torch_taps.Taps, "_reader", lambda *_: nothing)


STEPS: list[Any] = []


@fault(both("two_backwards_through_one_loss"))
def only_the_last_reading_is_kept(patch: Patch) -> None:
    def reader(self: Any, tap: Any) -> Callable[[Any], None]:
        def read(gradient: Any) -> None:
            tap.readings.clear()
            tap.readings[self._passes.current()] = gradient

        return read

    patch.setattr(torch_taps.Taps, "_reader", reader)


@fault(both("divided_by_the_number_of_batches"))
def a_pass_is_lost(patch: Patch) -> None:
    counted = torch_passes.Passes.counted.fget  # type: ignore[attr-defined]
    patch.setattr(torch_passes.Passes, "counted", property(lambda self: counted(self)[:-1]))


@fault(both("a_gradient_penalty"))
def every_pass_counts_though_it_adds_nothing(patch: Patch) -> None:
    """What `autograd.grad` reads is added to the pass before."""

    def current(self: Any) -> Any:
        if self._running is None and not self.seen:
            self.seen.append(torch_passes.Pass())
        return self._running or self.seen[-1]

    patch.setattr(torch_passes.Passes, "current", current)


@fault(both("a_reentrant_checkpoint"))
def a_pass_inside_a_pass_is_one_of_its_own(patch: Patch) -> None:
    def current(self: Any) -> Any:
        task = torch._C._current_graph_task_id()
        if not self.seen or self.seen[-1].task != task:
            self.seen.append(torch_passes.Pass(task))
        return self.seen[-1]

    patch.setattr(torch_passes.Passes, "current", current)


@fault(both("clipped_by_norm"))
def clipping_is_not_seen(patch: Patch) -> None:
    patch.setattr(torch_clips, "_by_norm", lambda body, seen: body)  # noqa: ARG005 - passed by name


@fault(both("clipped_before_a_scaler_unscales"))
def what_a_clip_leaves_is_not_looked_at(patch: Patch) -> None:
    clipped = torch_path.Path.clipped

    def blind(self: Any, weights: Any, bound: Any) -> None:
        clipped(self, weights, bound)
        for clip in self._clips.values():
            clip.left = None

    patch.setattr(torch_path.Path, "clipped", blind)


@fault(lambda: test_watch.test_a_declared_clip_is_told_from_the_loss_scale(tokens()))
def the_scaler_is_not_seen(patch: Patch) -> None:
    patch.setattr(torch_path.Path, "unscaled", nothing)


@fault(lambda: test_readers.test_real_and_fake_in_passes_of_their_own_ask_for_a_tap(bce, (8,)))
def targets_of_different_kinds_are_not_noticed(patch: Patch) -> None:
    patch.setattr(torch_terms, "_meet_nowhere", lambda *_: False)
    patch.setattr(torch_terms, "apart", lambda *_, **__: False)


@fault(lambda: test_watch.test_a_clip_between_backward_passes_is_none_of_the_whole(tokens()))
def clips_outlive_the_next_pass(patch: Patch) -> None:
    land = torch_path.Path._land

    def keeping(self: Any, name: str, _: Any = None) -> None:
        clips = dict(self._clips)
        land(self, name)
        self._clips = clips

    patch.setattr(torch_path.Path, "_land", keeping)


@fault(both("a_scaler_with_a_fused_optimizer"))
def the_scale_of_a_fused_optimizer_is_left_in(patch: Patch) -> None:
    record = torch_path.Path._record

    def unscaled(self: Any, optimizer: Any, names: Any) -> Any:
        scale, optimizer.grad_scale = getattr(optimizer, "grad_scale", None), None
        found = record(self, optimizer, names)
        optimizer.grad_scale = scale
        return found

    patch.setattr(torch_path.Path, "_record", unscaled)


@fault(both("left_over"))
def what_was_held_before_is_not_looked_at(patch: Patch) -> None:
    make = torch_path.Path.__init__

    def made(self: Any, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        self.held = {}

    patch.setattr(torch_path.Path, "__init__", made)


@fault(both("lbfgs"))
def a_closures_first_evaluation_is_kept(patch: Patch) -> None:
    patch.setattr(torch_taps.Taps, "forget", nothing)


@fault(both("an_optimizer_inside_the_backward_pass"))
def a_gradient_lands_only_after_the_step(patch: Patch) -> None:
    def hand(self: Any, optimizer: Any, names: Any) -> None:
        self._record(optimizer, names)
        self._close(optimizer, names)

    patch.setattr(torch_path.Path, "_hand", hand)


def only_read() -> None:
    test_watch.test_gradients_only_read_after_the_last_pass_count_for_nothing(tokens(), right=True)


@fault(only_read)
def a_gradient_that_was_only_read_lands(patch: Patch) -> None:
    patch.setattr(torch_passes.Passes, "running", lambda *_: True)


def rows_alike() -> None:
    test_watch.test_rows_that_are_alike_or_opposite_are_sketched(16, opposite=False)


@fault(rows_alike)
def rows_that_are_alike_cancel(patch: Patch) -> None:
    """Signs take turns."""
    patch.setattr(torch_sketch, "_factors", lambda rows: 1 - 2.0 * (torch.arange(rows) % 2))


def small_gradients() -> None:
    """A bias of 16 numbers is doubled, and nothing else."""
    model: Any = tokens()

    def double() -> None:
        model[1][3].bias.grad *= 2

    report = plain(model, adam(model), lambda loss, n: loss * n / 35, after=double)
    assert report.verdict.value == "uneven"


@fault(small_gradients)
def the_end_of_a_gradient_is_not_sketched(patch: Patch) -> None:
    call = torch_sketch.Sketcher.__call__

    def cut(self: Any, gradient: torch.Tensor, **named: Any) -> torch_sketch.Sketch:
        flat = gradient.detach().reshape(-1)
        return call(self, flat[: len(flat) // torch_sketch.LENGTH * torch_sketch.LENGTH], **named)

    patch.setattr(torch_sketch.Sketcher, "__call__", cut)
    patch.setattr(torch_sketch.Sketcher, "like", lambda self, *_, **__: self)


def sampled_gradients() -> None:
    test_watch.test_what_happens_to_eight_rows_of_a_large_gradient_is_seen((1500, 50))


@fault(sampled_gradients)
def the_first_rows_of_a_large_gradient_are_read(patch: Patch) -> None:
    read = torch_sketch._read
    patch.setattr(torch_sketch, "_read", lambda one, *, whole: read(one, whole=whole)[:100])


def strange_layouts() -> None:
    test_watch.test_gradients_that_arrive_are_sketched_alike((300, 300), torch.float32, whole=False)


@fault(strange_layouts)
def a_gradient_is_taken_to_lie_as_its_parameter_does(patch: Patch) -> None:
    like = torch_sketch.Sketcher.like

    def careless(self: Any, weight: torch.Tensor, *, whole: bool = False) -> Any:
        sketched = like(self, weight, whole=whole)
        return lambda gradient: sketched(gradient.as_strided(weight.shape, weight.stride()))

    patch.setattr(torch_sketch.Sketcher, "like", careless)


@fault(both("own_terms"))
def a_sum_is_taken_for_a_mean(patch: Patch) -> None:
    tapped = torch_seen._tapped

    def meant(tap: Any, place: Any) -> Any:
        tap.summed, tap.below = False, None
        return tapped(tap, place)

    patch.setattr(torch_seen, "_tapped", meant)


@fault(lambda: test_watch.test_a_term_beside_the_taps_is_reported(tokens()))
def ways_past_the_taps_are_not_looked_for(patch: Patch) -> None:
    patch.setattr(integration, "untapped", nothing)


@fault(both("two_optimizers_for_one_model"))
def the_second_optimizer_is_not_read(patch: Patch) -> None:
    concerned = torch_path.Path._concerned

    def first(self: Any, optimizer: Any) -> list[str]:
        return [] if self.handed else concerned(self, optimizer)

    patch.setattr(torch_path.Path, "_concerned", first)


@fault(lambda: test_watch.test_nothing_of_the_window_is_left(tokens()))
def the_clipping_functions_stay_replaced(patch: Patch) -> None:
    patch.setattr(torch_clips, "_body", _Sticky)


class _Sticky:
    """A closure's cell that keeps what it was given first."""

    def __init__(self, function: Any) -> None:
        self._cell = function.__closure__[0]

    @property
    def cell_contents(self) -> Any:
        return self._cell.cell_contents

    @cell_contents.setter
    def cell_contents(self, body: Any) -> None:
        if body.__module__ != "torch.nn.utils.clip_grad":
            self._cell.cell_contents = body


@fault(test_audit_tap.test_workers_are_one_step)
def the_average_over_workers_is_forgotten(patch: Patch) -> None:
    route = path.route

    def whole(*arguments: Any) -> Any:
        found = route(*arguments)
        return replace(found, factors=found.factors * 2)

    patch.setattr(ways, "route", whole)


@fault(
    test_audit_tap.test_workers_that_disagree_are_found_though_each_looks_right_to_itself,
)
def workers_are_not_compared(patch: Patch) -> None:
    patch.setattr(ways, "_differing", lambda *_: ())


@fault(lambda: test_readers.test_a_mean_cross_entropy_is_read_at_its_node(torch.float32, True))  # noqa: FBT003
def ignored_targets_are_counted(patch: Patch) -> None:
    hooked = torch_readers.Readers._hooked

    def counted(self: Any, one: Any, node: Any, tap: Any, *more: Any, **named: Any) -> None:
        tap.count = float(node._saved_target.numel())
        hooked(self, one, node, tap, *more, **named)

    patch.setattr(torch_readers.Readers, "_hooked", counted)


@fault(lambda: test_readers.test_an_unknown_loss_is_read_at_the_head(0.1, torch.float32))
def smoothing_is_not_fitted(patch: Patch) -> None:
    patch.setattr(torch_head, "_smoothing", lambda *_: 0.0)


@fault(lambda: test_readers.test_what_cannot_be_read_is_said_not_to_be(test_readers.distilled))
def what_is_left_over_is_not_looked_at(patch: Patch) -> None:
    patch.setattr(torch_head, "_LEAVES", {torch.float32: 10.0})


@fault(lambda: test_tapped_counts.test_a_factor_before_the_tap_is_asked_about(cross_entropy))
def constants_above_a_mean_are_not_looked_for(patch: Patch) -> None:
    patch.setattr(torch_scaled.Scaled, "_product", lambda _: 1.0)


@fault(
    lambda: test_tapped_counts.test_rows_are_no_targets_where_the_loss_counts_tokens(
        test_tapped_counts.by_hand, right=False
    )
)
def what_divides_a_sum_is_not_looked_for(patch: Patch) -> None:
    patch.setattr(torch_seen, "_times", nothing)


@fault(test_tapped_counts.test_elements_of_targets_are_in_proportion_to_them)
def terms_that_are_stacked_are_taken_for_targets(patch: Patch) -> None:
    patch.setattr(torch_scaled, "_REDUCED", set())


@fault(
    lambda: test_readers.test_squared_errors_by_hand_are_read_if_right_and_asked_about_if_not(
        test_readers.by_hand
    )
)
def squares_are_taken_for_certain(patch: Patch) -> None:
    hooked = torch_readers.Readers._hooked

    def sure(self: Any, one: Any, node: Any, tap: Any, *more: Any, **named: Any) -> None:
        tap.doubt = ""
        hooked(self, one, node, tap, *more, **named)

    patch.setattr(torch_readers.Readers, "_hooked", sure)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_fails_its_test(name: str, monkeypatch: Patch) -> None:
    plant, check = FAULTS[name]
    check()
    restored = nn.utils.clip_grads_with_norm_.__closure__[0].cell_contents
    plant(monkeypatch)
    try:
        with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)):
            check()
    finally:
        nn.utils.clip_grads_with_norm_.__closure__[0].cell_contents = restored
