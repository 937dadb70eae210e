"""Gradients read in step: what names an error, and which items of an iterator are names."""

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from audits import random_parts

from gradexplain import Verdict, audit_accumulation
from gradexplain.audit.inputs import held, walk

PARTS = random_parts(2)


def refused(error: type[Exception], message: str, *args: object, **options: object) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        audit_accumulation(*args, **options)  # type: ignore[arg-type]


@pytest.mark.bad_input
def test_a_generator_s_gradients_are_named_where_one_is_no_array() -> None:
    parts = ({"w": part["w"], "b": [1.0, leaf]} for part, leaf in zip(PARTS, "ab", strict=True))
    refused(TypeError, "parts[0]['b.1'] must be an array, not str", PARTS[0], parts, [1, 2])
    bare = iter([PARTS[0]["w"], object()])
    refused(TypeError, "parts[1] must be an array, not object", PARTS[1]["w"], bare, [1, 2])


def test_what_a_generator_made_is_held_under_its_own_names() -> None:
    array = np.ones((2, 3))
    for gradient, names in [(array, [""]), ([array, [array]], ["0", "1.0"]), ({2: array}, ["2"])]:
        copied = held("parts[0]", gradient)
        assert isinstance(copied, dict)
        assert list(copied) == names
        assert all(tensor.shape == (2, 3) for tensor in copied.values())


@pytest.mark.bad_input
def test_shared_memory_is_seen_behind_a_parameter_without_gradient() -> None:
    """An iterator leads, and its first gradient has none to compare."""
    w = PARTS[0]["w"]
    message = (
        "parts[1]['w'] must be a copy of its own, but it shares memory with parts[0]: "
        "clone each gradient before the next backward pass"
    )
    refused(ValueError, message, {"w": None}, [{"w": w}, {"w": w}], [1, 2])


@pytest.mark.bad_input
def test_a_parameter_whose_square_overflows_is_named() -> None:
    large = {"a": np.ones(20), "w": np.full(20, 1e200)}
    message = "the parameter 'w' must not be so large that its square overflows float64"
    with np.errstate(over="ignore", invalid="ignore"):
        refused(ValueError, message, large, [{"a": np.ones(20), "w": np.ones(20)}], [1])


def test_only_pairs_that_begin_with_a_name_are_names_and_arrays() -> None:
    numbers: npt.NDArray[np.float64] = np.random.default_rng(0).standard_normal((2, 30))

    def single(row: npt.NDArray[np.float64]) -> Iterator[object]:
        yield from (np.asarray(number) for number in row)

    A = 0.25 * numbers[0] + 0.75 * numbers[1]
    report = audit_accumulation(single(A), [single(row) for row in numbers], [1, 3])
    assert report.verdict is Verdict.EXACT
    assert [name for name, _ in walk({"g": iter([np.ones(2), ("b", np.ones(2))])})] == ["0", "b"]


@pytest.mark.bad_input
@pytest.mark.parametrize("item", [("w", np.ones(3), np.ones(3)), (np.ones(3), np.ones(3)), ()])
def test_other_tuples_are_no_arrays(item: tuple[object, ...]) -> None:
    with pytest.raises(TypeError, match=r"^g\['0'\] must be an array, not tuple$"):
        list(walk({"g": iter([item])}))


@pytest.mark.bad_input
def test_a_number_that_is_not_finite_lies_at_0() -> None:
    message = "accumulated['s'] must be finite, but it is inf at [0]"
    refused(ValueError, message, {"s": np.float64("inf")}, [{"s": 1.0}], [1])
