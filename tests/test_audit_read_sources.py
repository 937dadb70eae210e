"""All gradients of one audit: their order, their labels, and what is copied of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audits import PARTS, RIGHT, Gradient, random_parts, weighted

from gradexplain import PerWorker, Update, sketch
from gradexplain.audit.read.sources import Sources, sources

A = weighted(RIGHT, PARTS)
OTHER = random_parts(1, seed=9)[0]


def listed(accumulated: object = A, parts: Any = PARTS, **options: Any) -> Sources:
    return sources(accumulated, {"parts": parts}, **options)


WITHOUT = "accumulated must hold gradients per worker, not an Update or a PerWorker"


def test_the_parts_come_first_then_a_then_what_else_was_given() -> None:
    found = listed(full=OTHER, again=PARTS[0], extra={"theta": OTHER, "before": A}, scale=8.0)
    assert list(found.gradients) == [
        *("parts[0]", "parts[1]", "parts[2]", "parts[3]", "accumulated", "full", "again"),
        *("extra['theta']", "extra['before']"),
    ]
    assert (found.parts, found.sizes, found.workers) == (4, (4,), 1)
    assert (found.full, found.again, found.extra) == (5, 6, (7, 8))
    assert found.extras == ("extra['theta']", "extra['before']")
    assert (found.accumulated, found.leader) == (slice(4, 5), "accumulated")
    assert (found.after, found.scale, found.sketched, found.dtype) == (None, 8.0, None, "float64")
    assert found.gradients["accumulated"] is A
    assert found.gradients["full"] is OTHER


def test_no_gradient_is_none() -> None:
    with pytest.raises(TypeError, match=r"^accumulated must be a gradient, not None$"):
        listed(None)


def test_what_is_not_given_has_no_row() -> None:
    found = listed()
    assert (found.full, found.again, found.extra, found.extras) == (None, None, (), ())
    assert found.scale == 1.0
    assert listed(again=PARTS[0]).again == 5


def test_terms_follow_each_other() -> None:
    found = sources(A, {"parts": PARTS, "terms['aux'].parts": PARTS[:2]}, full=OTHER)
    assert list(found.gradients)[4:6] == ["terms['aux'].parts[0]", "terms['aux'].parts[1]"]
    assert (found.sizes, found.parts, found.leader, found.full) == ((4, 2), 6, "accumulated", 7)


def test_each_worker_has_a_row() -> None:
    found = listed(PerWorker([A, OTHER]), full=OTHER)
    assert (found.workers, found.accumulated) == (2, slice(4, 6))
    assert found.leader == "accumulated[worker 0]"
    assert list(found.gradients)[4:] == [
        "accumulated[worker 0]",
        "accumulated[worker 1]",
        "full",
    ]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        ({0: A}, "accumulated must be PerWorker of a list of gradients, not of type dict"),
        ([A, PerWorker([A])], WITHOUT),
        ([Update(A, OTHER, 0.1), A], WITHOUT),
    ],
)
def test_workers_are_a_list_of_gradients(gradients: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        listed(PerWorker(gradients))


def test_an_update_is_its_parameters_before_divided_by_the_learning_rate() -> None:
    found = listed(Update(A, OTHER, 0.5), scale=8.0)
    assert found.gradients["accumulated.before"] is A
    assert found.after is OTHER
    assert found.scale == 4.0
    assert found.leader == "accumulated.before"


def test_sketches_stand_for_as_many_numbers_as_their_gradients_have() -> None:
    half = [{n: v.astype(np.float16) for n, v in part.items()} for part in PARTS]
    found = listed(sketch(A), [sketch(half[0]), *(sketch(part) for part in PARTS[1:])])
    assert (found.sketched, found.dtype) == (641, "float16")
    values = found.gradients["accumulated"]
    assert isinstance(values, np.ndarray)
    assert np.array_equal(values, sketch(A).values)
    given = sketch(A)
    again = listed(given, [sketch(part) for part in PARTS]).gradients["accumulated"]
    assert not np.shares_memory(again, given.values)


def test_the_largest_gradient_counts_where_sketches_lack_parameters() -> None:
    less = sketch({"w": A["w"]})
    found = listed(less, [sketch(PARTS[0]), less])
    assert (less.numbers, found.sketched) == (600, 641)


def overwriting(into: Gradient) -> Iterator[Gradient]:
    for part in PARTS:
        for name, value in part.items():
            if value.ndim:
                into[name][...] = value
        yield into


def test_whatever_a_generator_may_overwrite_is_copied_before_it_runs() -> None:
    shared = {name: np.array(value) for name, value in A.items()}
    found = listed(shared, overwriting(shared), full=shared, again=shared, extra={"x": shared})
    for label in ("accumulated", "full", "again", "extra['x']"):
        held = found.gradients[label]
        assert isinstance(held, dict)
        assert held["w"].flat.tolist() == A["w"].ravel().tolist()
    for k, part in enumerate(PARTS):
        held = found.gradients[f"parts[{k}]"]
        assert isinstance(held, dict)
        assert held["w"].flat.tolist() == part["w"].ravel().tolist()


def test_files_and_iterators_are_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    stream = iter([("w", A["w"])])
    found = listed(path, iter([stream, str(path)]), full=path)
    assert found.gradients["accumulated"] is path
    assert found.gradients["parts[0]"] is stream
    assert found.gradients["parts[1]"] == str(path)


# What is refused


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        (PARTS[0], "dict"),
        ("step.npz", "str"),
        (Path("step.npz"), "PosixPath"),
        (sketch(A), "Sketch"),
        (3.0, "float"),
        (None, "NoneType"),
    ],
)
def test_one_gradient_is_no_sequence_of_parts(parts: object, kind: str) -> None:
    with pytest.raises(TypeError, match=f"^parts must be a sequence of gradients, not one {kind}$"):
        listed(parts=parts)


@pytest.mark.bad_input
@pytest.mark.parametrize("parts", [[], iter([]), ()])
def test_there_must_be_parts(parts: object) -> None:
    with pytest.raises(
        ValueError, match=r"^parts must hold at least one gradient, but it is empty$"
    ):
        listed(parts=parts)


@pytest.mark.bad_input
def test_all_gradients_are_sketches_of_one_kind_or_none_is() -> None:
    sketches = [sketch(part) for part in PARTS]
    with pytest.raises(TypeError, match=r"^accumulated must be a sketch too, as parts\[0\] is$"):
        listed(A, sketches)
    with pytest.raises(TypeError, match=r"^full must be a sketch too, as parts\[0\] is$"):
        listed(sketch(A), sketches, full=A)
    with pytest.raises(
        ValueError, match=r"^accumulated must have seed 0 and length 4093, as the o"
    ):
        listed(sketch(A, length=41), sketches)
    with pytest.raises(ValueError, match=r"not seed 1 and length 4093$"):
        listed(sketch(A, seed=1), sketches)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("update", "parts", "named"),
    [
        (Update(A, sketch(A), 0.1), PARTS, "accumulated.after"),
        (Update(sketch(A), A, 0.1), PARTS, "accumulated.before"),
        (Update(sketch(A), sketch(A), 0.1), [sketch(part) for part in PARTS], "accumulated.before"),
        (Update(A, OTHER, 0.1), [sketch(part) for part in PARTS], "parts[0]"),
    ],
)
def test_an_update_takes_no_sketches(update: Update, parts: Any, named: str) -> None:
    message = f"{named} must be arrays, not a Sketch, where accumulated is an Update: "
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        listed(update, parts)
