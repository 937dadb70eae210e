"""Gradients read in step: nested, streamed or made as they go, and what is refused of them."""

import re
import tracemalloc
from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from audits import COUNTS, RIGHT, Gradient, random_parts, verdicts_through, weighted

from gradexplain import Verdict, audit_accumulation
from gradexplain.audit.read.walk import copied, walk

PARTS = random_parts(dtype=np.float32)
A = weighted(RIGHT, PARTS)
W = PARTS[0]["w"]
GOOD = [part["w"] for part in PARTS]


def test_nested_gradients_and_lists_and_tuples() -> None:
    Layer = namedtuple("Layer", ["kernel", "bias"])  # noqa: PYI024 - as Flax and Optax have it

    def nest(gradient: Gradient) -> dict[str, object]:
        return {
            "layers": [Layer(gradient["w"], gradient["b"]), (gradient["scale"],)],
            "empty": {},
            0: gradient["w"],  # type: ignore[dict-item]
        }

    assert verdicts_through(nest) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]
    assert verdicts_through(lambda g: list(g.values())) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]
    assert verdicts_through(lambda g: g["w"]) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]
    names = [name for name, _ in walk({"accumulated": nest(A)}, "accumulated")]
    assert names == ["layers.0.0", "layers.0.1", "layers.1.0", "0"]


def test_plain_floats_are_scalars() -> None:
    rng = np.random.default_rng(0)
    parts = rng.standard_normal((2, 20))
    accumulated = (0.25 * parts[0] + 0.75 * parts[1]).tolist()
    assert audit_accumulation(accumulated, parts.tolist(), counts=[1, 3]).verdict is Verdict.EXACT


def test_order_and_layout_don_t_matter() -> None:
    def turned(gradient: Gradient) -> Gradient:
        return {name: np.array(value, order="F") for name, value in reversed(gradient.items())}

    report = audit_accumulation(A, [turned(part) for part in PARTS], counts=COUNTS)
    assert report.verdict is Verdict.EXACT
    strided = [
        {n: np.repeat(v, 2, axis=-1)[..., ::2] if v.ndim else v for n, v in p.items()}
        for p in PARTS
    ]
    assert audit_accumulation(A, strided, counts=COUNTS).verdict is Verdict.EXACT


def test_a_parameter_without_gradient_counts_as_zero() -> None:
    def frozen(gradient: Gradient) -> dict[str, object]:
        return {**gradient, "frozen": None}

    assert verdicts_through(frozen) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]
    idle: list[dict[str, object]] = [
        {**part, "b": None} if k == 1 else {**part} for k, part in enumerate(PARTS)
    ]
    zero = [{**part, "b": 0 * part["b"]} if k == 1 else part for k, part in enumerate(PARTS)]
    assert audit_accumulation(weighted(RIGHT, zero), idle, counts=COUNTS).verdict is Verdict.EXACT
    assert audit_accumulation(A, idle, counts=COUNTS).verdict is not Verdict.EXACT


# Streaming


def stream(gradient: Gradient) -> Iterator[tuple[str, object]]:
    yield from gradient.items()


def test_gradients_may_be_iterators_over_their_tensors() -> None:
    for weights, verdict in [(RIGHT, Verdict.EXACT), (np.ones(4) / 4, Verdict.MEAN_OF_MEANS)]:
        report = audit_accumulation(
            weighted(weights, PARTS), [stream(p) for p in PARTS], counts=COUNTS
        )
        assert report.verdict is verdict
        report = audit_accumulation(
            stream(weighted(weights, PARTS)), (stream(p) for p in PARTS), counts=COUNTS
        )
        assert report.verdict is verdict
        unnamed = [iter([part["w"], part["b"]]) for part in PARTS]
        total = weighted(weights, PARTS)
        assert (
            audit_accumulation([total["w"], total["b"]], unnamed, counts=COUNTS).verdict is verdict
        )


def test_a_generator_of_parts_may_use_one_buffer_again_and_again() -> None:
    buffer = {name: np.zeros_like(value) for name, value in PARTS[0].items()}
    buffer["scale"] = np.zeros((), np.float32)

    def backward() -> Iterator[Gradient]:
        for part in PARTS:
            for name, value in part.items():
                buffer[name][...] = value
            yield buffer

    assert audit_accumulation(A, backward(), counts=COUNTS).verdict is Verdict.EXACT


def test_a_generator_may_overwrite_a_itself() -> None:
    accumulated = {name: np.array(value) for name, value in A.items()}

    def backward() -> Iterator[Gradient]:
        for part in PARTS:
            for name, value in part.items():
                accumulated[name][...] = value
            yield accumulated

    assert audit_accumulation(accumulated, backward(), counts=COUNTS).verdict is Verdict.EXACT


def test_streaming_holds_a_few_tensors_and_not_the_gradients() -> None:
    shapes, K = [(10, 1000)] * 200, 4

    def made(seed: int) -> Iterator[npt.NDArray[np.float32]]:
        for index, shape in enumerate(shapes):
            rng = np.random.default_rng([seed, index])
            yield rng.standard_normal(shape, np.float32)

    def total() -> Iterator[npt.NDArray[np.float32]]:
        for tensors in zip(*(made(k) for k in range(K)), strict=True):
            yield np.mean(tensors, axis=0, dtype=np.float32)

    tracemalloc.start()
    report = audit_accumulation(total(), (made(k) for k in range(K)), counts=[1, 2, 3, 4])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.verdict is Verdict.MEAN_OF_MEANS
    gradient = 4 * 200 * 10_000
    assert 0.05 * gradient < peak < 0.25 * gradient  # most of it the block in float64


def test_a_generator_s_parameters_without_gradient_count_as_zero() -> None:
    rng = np.random.default_rng(0)
    parts: list[dict[str, Any]] = [
        {"w": rng.standard_normal(30), "b": rng.standard_normal(5) if k else None} for k in range(2)
    ]
    A = {"w": 0.1 * parts[0]["w"] + 0.9 * parts[1]["w"], "b": 0.9 * parts[1]["b"]}
    assert audit_accumulation(A, (part for part in parts), counts=[1, 9]).verdict is Verdict.EXACT


def test_only_pairs_that_begin_with_a_name_are_names_and_arrays() -> None:
    numbers: npt.NDArray[np.float64] = np.random.default_rng(0).standard_normal((2, 30))

    def single(row: npt.NDArray[np.float64]) -> Iterator[object]:
        yield from (np.asarray(number) for number in row)

    A = 0.25 * numbers[0] + 0.75 * numbers[1]
    report = audit_accumulation(single(A), [single(row) for row in numbers], counts=[1, 3])
    assert report.verdict is Verdict.EXACT
    assert [name for name, _ in walk({"g": iter([np.ones(2), ("b", np.ones(2))])}, "g")] == [
        "0",
        "b",
    ]


def test_what_a_generator_made_is_copied_under_its_own_names() -> None:
    array = np.ones((2, 3))
    for gradient, names in [(array, [""]), ([array, [array]], ["0", "1.0"]), ({2: array}, ["2"])]:
        own = copied("parts[0]", gradient)
        assert isinstance(own, dict)
        assert list(own) == names
        assert all(tensor.shape == (2, 3) for tensor in own.values())


# What is refused


def refused(error: type[Exception], message: str, A: object, parts: object, counts: object) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        audit_accumulation(A, parts, counts=counts)  # type: ignore[arg-type]


@pytest.mark.bad_input
def test_iterators_that_fall_out_of_step_are_refused() -> None:
    refused(
        ValueError,
        "parts[1] must yield the parameter 'w', as parts[0] does, not the parameter 'b'",
        A,
        [iter([("w", W), ("b", W)]), iter([("b", W), ("w", W)])],
        [1, 2],
    )
    refused(
        ValueError,
        "parts[1] must yield the parameter '1', as parts[0] does, not nothing",
        [PARTS[0]["w"], PARTS[0]["b"]],
        [iter([GOOD[1], PARTS[1]["b"]]), iter([GOOD[2]])],
        [1, 2],
    )
    refused(
        ValueError,
        "parts[0] must have the parameter '1', as parts[1] has",
        [GOOD[0]],
        [iter([GOOD[1]]), iter([GOOD[2], GOOD[3]])],
        [1, 2],
    )
    refused(
        ValueError,
        "parts[0] must name each parameter once, but the parameter 'w' is twice",
        {"w": W},
        [iter([("w", GOOD[1]), ("w", GOOD[1])])],
        [1],
    )


@pytest.mark.bad_input
def test_a_generator_s_gradients_are_named_where_one_is_no_array() -> None:
    parts = ({"w": part["w"], "b": [1.0, leaf]} for part, leaf in zip(PARTS, "ab", strict=True))
    refused(TypeError, "parts[0]['b.1'] must be an array, not str", PARTS[0], parts, [1, 2])
    bare = iter([PARTS[0]["w"], object()])
    refused(TypeError, "parts[1] must be an array, not object", PARTS[1]["w"], bare, [1, 2])


@pytest.mark.bad_input
def test_shared_memory_is_seen_behind_a_parameter_without_gradient() -> None:
    """Neither A nor the first part has any to compare."""
    w = PARTS[0]["w"]
    message = (
        "parts[2]['w'] must not share memory with parts[1]: "
        "clone each gradient before the next backward pass"
    )
    refused(ValueError, message, {"w": None}, [{"w": None}, {"w": w}, {"w": w}], [1, 2, 3])


@pytest.mark.bad_input
def test_a_parameter_whose_square_overflows_is_named() -> None:
    large = {"a": np.ones(20), "w": np.full(20, 1e200)}
    message = "the parameter 'w' must not be so large that its square overflows float64"
    with np.errstate(over="ignore", invalid="ignore"):
        refused(ValueError, message, large, [{"a": np.ones(20), "w": np.ones(20)}], [1])


@pytest.mark.bad_input
@pytest.mark.parametrize("item", [("w", np.ones(3), np.ones(3)), (np.ones(3), np.ones(3)), ()])
def test_other_tuples_are_no_arrays(item: tuple[object, ...]) -> None:
    with pytest.raises(TypeError, match=r"^g\['0'\] must be an array, not tuple$"):
        list(walk({"g": iter([item])}, "g"))


@pytest.mark.bad_input
def test_a_number_that_is_not_finite_lies_at_0() -> None:
    message = "accumulated must be finite, but accumulated['s'] is inf at [0]"
    refused(ValueError, message, {"s": np.float64("inf")}, [{"s": 1.0}], [1])
