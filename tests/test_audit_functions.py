"""The audit of functions: right ones pass, wrong ones are named, and nothing is overwritten."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gradexplain import PerWorker, Update, check_accumulation, sketch

Array = npt.NDArray[np.float64]
Params = dict[str, Any]
Batch = tuple[Array, Array]
COUNTS = [30, 5, 12, 3]
RNG = np.random.default_rng(0)
BATCHES: list[Batch] = [(RNG.standard_normal((n, 20)), RNG.standard_normal(n)) for n in COUNTS]
PARAMS: Params = {"layer": {"w": RNG.standard_normal(20)}, "b": np.zeros(1)}


def summed(params: Params, batch: Batch) -> Params:
    """The gradient of half the summed squared errors."""
    x, y = batch
    error = x @ params["layer"]["w"] + params["b"] - y
    return {"layer": {"w": x.T @ error}, "b": np.array([error.sum()])}


def scaled(gradient: Params, factor: float) -> Params:
    return {"layer": {"w": factor * gradient["layer"]["w"]}, "b": factor * gradient["b"]}


def added(gradients: list[Params]) -> Params:
    return {
        "layer": {"w": sum(g["layer"]["w"] for g in gradients)},
        "b": sum(g["b"] for g in gradients),
    }


def mean(params: Params, batch: Batch) -> Params:
    return scaled(summed(params, batch), 1 / len(batch[1]))


def right(params: Params, batches: list[Batch]) -> Params:
    total = sum(len(y) for _, y in batches)
    return scaled(added([summed(params, batch) for batch in batches]), 1 / total)


def mean_of_means(params: Params, batches: list[Batch]) -> Params:
    return scaled(added([mean(params, batch) for batch in batches]), 1 / len(batches))


def only_the_last(params: Params, batches: list[Batch]) -> Params:
    return mean(params, batches[-1])


def never_divided(params: Params, batches: list[Batch]) -> Params:
    return added([summed(params, batch) for batch in batches])


def whole(params: Params) -> Params:
    x, y = (np.concatenate(each) for each in zip(*BATCHES, strict=True))
    return mean(params, (x, y))


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        (right, "exact"),
        (mean_of_means, "mean-of-means"),
        (only_the_last, "dropped"),
        (never_divided, "rescaled"),
    ],
)
def test_right_and_wrong_steps_are_told_apart(
    step: Callable[[Params, list[Batch]], Params], verdict: str
) -> None:
    report = check_accumulation(step, mean, PARAMS, iter(BATCHES), COUNTS)
    assert report.verdict.value == verdict
    assert report.ok is (verdict == "exact")


def test_its_options_are_those_of_the_audit() -> None:
    report = check_accumulation(mean_of_means, mean, PARAMS, BATCHES, COUNTS, expect="part")
    assert report.check().intended == "part"
    report = check_accumulation(right, mean, PARAMS, BATCHES, COUNTS, full=whole(PARAMS))
    assert report.ok


def test_buffers_that_are_used_again_are_copied() -> None:
    buffer = np.empty(20)

    def into(function: Callable[..., Params]) -> Callable[..., Array]:
        def computed(*given: Any) -> Array:
            buffer[:] = function(*given)["layer"]["w"]
            return buffer

        return computed

    report = check_accumulation(into(right), into(mean), PARAMS, BATCHES, COUNTS)
    assert report.verdict.value == "exact"
    report = check_accumulation(into(mean_of_means), into(mean), PARAMS, BATCHES, COUNTS)
    assert report.verdict.value == "mean-of-means"


def test_workers_updates_and_sketches_may_come_back() -> None:
    def workers(params: Params, batches: list[Batch]) -> PerWorker:
        return PerWorker([mean_of_means(params, batches)] * 2)

    def updated(params: Params, batches: list[Batch]) -> Update:
        gradient = right(params, batches)
        return Update(params, added([params, scaled(gradient, -0.1)]), learning_rate=0.1)

    def sketched(function: Callable[..., Params]) -> Callable[..., object]:
        return lambda *given: sketch(function(*given))

    report = check_accumulation(workers, mean, PARAMS, BATCHES, COUNTS)
    assert report.verdict.value == "mean-of-means"
    assert check_accumulation(updated, mean, PARAMS, BATCHES, COUNTS).ok
    assert check_accumulation(sketched(right), sketched(mean), PARAMS, BATCHES, COUNTS).ok


@pytest.mark.parametrize("rate", [1, -1e-3])
@pytest.mark.parametrize("seed", range(10))
def test_an_adam_in_the_step_is_asked_about(seed: int, rate: float) -> None:
    def adam(params: Params, batches: list[Batch]) -> Params:
        gradient = right(params, batches)  # its first update: each number over its own size
        return {
            "layer": {"w": rate * np.sign(gradient["layer"]["w"])},
            "b": rate * np.sign(gradient["b"]),
        }

    rng = np.random.default_rng(seed)
    batches = [(rng.standard_normal((n, 20)), rng.standard_normal(n)) for n in COUNTS]
    report = check_accumulation(adam, mean, PARAMS, batches, COUNTS)
    assert report.verdict.value == "unexplained"
    assert report.questions[0].startswith("Is there an Adam in your step?")
    for step in (right, mean_of_means):
        report = check_accumulation(step, mean, PARAMS, BATCHES, COUNTS)
        assert not any("Adam" in question for question in report.questions)


def test_dropout_is_no_mistake() -> None:
    rng = np.random.default_rng(1)

    def noisy(params: Params, batch: Batch) -> Params:
        return mean(params, (batch[0] * (rng.random(20) < 0.5), batch[1]))

    def step(params: Params, batches: list[Batch]) -> Params:
        total = sum(COUNTS)
        return added([scaled(noisy(params, b), len(b[1]) / total) for b in batches])

    report = check_accumulation(step, noisy, PARAMS, BATCHES, COUNTS)
    assert report.ok is None
    assert report.verdict.value == "not-reproducible"


def test_a_first_micro_batch_without_targets_is_left_out() -> None:
    gradients = [np.full(50, np.nan), *np.random.default_rng(0).standard_normal((2, 50))]
    report = check_accumulation(
        lambda _, ks: sum(k * gradients[k] for k in ks[1:]) / 3,
        lambda _, k: gradients[k],
        np.zeros(2),
        range(3),
        range(3),
    )
    assert report.ok
    assert report.notes == ("Not finite, but with a count of 0, so left out: parts[0].",)


@pytest.mark.parametrize(("options", "calls"), [({}, 5), ({"again": None}, 4)])
def test_the_first_mean_is_computed_again_unless_it_is_given(
    options: dict[str, Any], calls: int
) -> None:
    asked: list[Batch] = []

    def recorded(params: Params, batch: Batch) -> Params:
        asked.append(batch)
        return mean(params, batch)

    assert check_accumulation(right, recorded, PARAMS, BATCHES, COUNTS, **options).ok
    assert len(asked) == calls


# What is refused

CHANGED = "must leave params as they are, but it changed"
INSTEAD = "compute the gradient without the optimizer's step, or on a copy"


def refused(error: type[Exception], message: str, *given: Any) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        check_accumulation(*given)


@pytest.mark.bad_input
def test_functions_and_micro_batches_are_checked() -> None:
    refused(TypeError, "step_gradient must be a function, not dict", {}, mean, PARAMS, BATCHES, [])
    message = "mean_loss_gradient must be a function, not NoneType"
    refused(TypeError, message, right, None, PARAMS, BATCHES, [])
    message = "micro_batches must be a sequence of micro-batches, not of type int"
    refused(TypeError, message, right, mean, PARAMS, 3, COUNTS)
    message = "micro_batches must hold at least one, but it is empty"
    refused(ValueError, message, right, mean, PARAMS, [], COUNTS)
    message = "params['w'] must be an array, not object"
    refused(TypeError, message, right, mean, {"w": object()}, BATCHES, COUNTS)
    message = "counts must be a sequence of 4 numbers, one per part, not 1"
    refused(ValueError, message, right, mean, PARAMS, BATCHES, [1])


def test_what_functions_return_is_checked() -> None:
    def nothing(*_: object) -> None:
        pass

    def words(*_: object) -> dict[str, str]:
        return {"w": "gradient"}

    def streamed(*given: Any) -> Iterator[object]:
        yield from mean(*given)["layer"].items()

    message = "step_gradient must return a gradient, not None"
    refused(TypeError, message, nothing, mean, PARAMS, BATCHES, COUNTS)
    message = "mean_loss_gradient must return a gradient, not None"
    refused(TypeError, message, right, nothing, PARAMS, BATCHES, COUNTS)
    message = "what mean_loss_gradient returns['w'] must be an array, not str"
    refused(TypeError, message, right, words, PARAMS, BATCHES, COUNTS)
    report = check_accumulation(
        lambda params, batches: right(params, batches)["layer"], streamed, PARAMS, BATCHES, COUNTS
    )
    assert report.ok


@pytest.mark.parametrize(
    "returned",
    [PerWorker([None]), Update(None, PARAMS, 0.1), Update(PARAMS, None, 0.1)],
    ids=["worker", "before", "after"],
)
def test_gradients_inside_what_a_function_returns_are_checked(returned: object) -> None:
    message = "step_gradient must return a gradient, not None"
    refused(TypeError, message, lambda *_: returned, mean, PARAMS, BATCHES, COUNTS)


def test_parameters_that_change_are_named() -> None:
    params = {"w": np.zeros(20)}

    def moving(params: Any, _: object) -> Array:
        params["w"] += 1
        return params["w"]

    def constant(params: Any, _: object) -> Array:
        return params["w"] + 1

    message = f"step_gradient {CHANGED} params['w']: {INSTEAD}"
    refused(ValueError, message, moving, constant, params, BATCHES, COUNTS)
    message = f"mean_loss_gradient {CHANGED} params['w']: {INSTEAD}"
    refused(ValueError, message, constant, moving, params, BATCHES, COUNTS)


def test_parameters_that_are_one_array_have_no_name() -> None:
    def moving(params: Any, _: object) -> Array:
        params += 1
        return np.ones(20)

    message = f"step_gradient {CHANGED} params: {INSTEAD}"
    refused(ValueError, message, moving, mean, np.zeros(20), BATCHES, COUNTS)


def test_parameters_that_are_no_arrays_afterwards_are_named() -> None:
    def spoiling(params: Any, _: object) -> Array:
        params["w"] = "gone"
        return np.ones(20)

    message = "params['w'] must be an array, not str"
    refused(TypeError, message, spoiling, mean, {"w": np.zeros(20)}, BATCHES, COUNTS)


def test_a_parameter_that_stays_nan_has_not_changed() -> None:
    params = PARAMS | {"unused": np.array([np.nan])}
    assert check_accumulation(right, mean, params, BATCHES, COUNTS).ok
