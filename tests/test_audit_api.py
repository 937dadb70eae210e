"""The call itself: what it takes and refuses, what it leaves alone, and what comes back."""

import ast
import inspect
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audits import COUNTS, RIGHT, plus, random_parts, times, weighted
from frameworks import Torch

import gradexplain.audit
from gradexplain import Report, Verdict, assert_accumulates, audit_accumulation, sketch
from gradexplain.audit.api import _like, _measured
from gradexplain.audit.read.reading import Measures

PARTS = random_parts(dtype=np.float32)
A = weighted(RIGHT, PARTS)


def test_a_report_is_what_comes_back() -> None:
    assert isinstance(audit_accumulation(A, PARTS, counts=COUNTS), Report)


def test_nothing_that_is_passed_is_changed() -> None:
    before = [{n: np.array(v) for n, v in g.items()} for g in [A, *PARTS]]
    audit_accumulation(
        A, PARTS, counts=COUNTS, full=plus(A, A), again=times(PARTS[0], 1.0), expect_factor=2
    )
    for old, new in zip(before, [A, *PARTS], strict=True):
        assert all(np.array_equal(old[name], new[name]) for name in old)


def test_parts_made_as_they_go_are_named_where_they_are_wrong() -> None:
    wrong = {**PARTS[1], "w": "no array"}

    def refusal(A: object, parts: Iterable[object]) -> str:
        with pytest.raises(TypeError) as caught:
            audit_accumulation(A, parts, counts=COUNTS)
        return str(caught.value)

    swapped = [PARTS[0], wrong, *PARTS[2:]]
    assert refusal(A, iter(swapped)) == refusal(A, swapped)
    assert refusal(A, swapped).startswith("parts[1]['w'] must be")
    assert refusal(wrong, iter(PARTS)) == refusal(wrong, PARTS)
    assert refusal(wrong, PARTS).startswith("accumulated['w'] must be")


def test_sketches_may_be_made_as_they_go() -> None:
    def sketches() -> Iterator[object]:
        yield from (sketch(part) for part in PARTS)

    assert audit_accumulation(sketch(A), sketches(), counts=COUNTS).verdict is Verdict.EXACT


def test_the_assertion_knows_the_groups() -> None:
    weights = np.append(RIGHT[:3] / RIGHT[:3].sum() / 2, 1 / 2)
    with pytest.raises(AssertionError, match="A weighs every group alike"):
        assert_accumulates(weighted(weights, PARTS), PARTS, counts=COUNTS, groups=list("aaab"))


def test_assert_accumulates_passes_the_report_on_or_raises_with_it() -> None:
    A = weighted(RIGHT, PARTS)
    assert assert_accumulates(A, PARTS, counts=COUNTS).verdict is Verdict.EXACT
    assert assert_accumulates(A, PARTS, full=weighted(RIGHT, PARTS)).verdict is Verdict.EXACT
    with pytest.raises(AssertionError, match=r"^MEAN OF MEANS: audit of 4 parts"):
        assert_accumulates(weighted([1, 1, 1, 1], PARTS), PARTS, counts=COUNTS)
    with pytest.raises(AssertionError, match="AMBIGUOUS"):
        assert_accumulates(weighted([1], PARTS[:1]), PARTS[:1], counts=[1])
    doubled = {name: 2 * value for name, value in A.items()}
    assert assert_accumulates(doubled, PARTS, counts=COUNTS, expect_factor=2).ok is True


def test_what_passes_its_arguments_on_has_the_audit_s_signature() -> None:
    @_like(audit_accumulation)
    def passing(*_: object, **__: object) -> Report:
        raise NotImplementedError

    assert inspect.signature(passing) == inspect.signature(audit_accumulation)


def test_weights_expected_by_a_full_gradient_are_as_uncertain_as_they_were_read() -> None:
    """F's weights are a quarter each but for float32's rounding: a mean of means is no other."""
    mean = weighted([0.25] * 4, PARTS)
    report = audit_accumulation(mean, PARTS, full=times(mean, 1.0))
    assert report.verdict is Verdict.EXACT
    assert report.notes[0].startswith("The counts are equal, so a mean of means ")


def measured(size: float) -> str:
    """Return what is printed where the error, the angle and what lies outside are of one size."""
    angle = math.degrees(size)
    return _measured(
        Measures(size, angle, size, 1 / 300, "float32", "dtype", 641, sketched=False, left_out=())
    )


def test_measures_are_printed_and_those_that_rounding_explains_are_zero() -> None:
    rounding = "where rounding leaves up to 0.33% in float32 (the arrays' type)"
    assert measured(1 / 3) == (
        f"relative error 0.333, angle 19.1°; 33% of A is outside the parts' span, {rounding}"
    )
    nothing = f"relative error 0, angle 0°; 0% of A is outside the parts' span, {rounding}"
    assert measured(1 / 300) == measured(1 / 400) == nothing


# What is refused


def refused(error: type[Exception], message: str, *args: object, **options: object) -> None:
    A, parts, *counts = args
    with pytest.raises(error) as caught:
        audit_accumulation(A, parts, counts=counts[0] if counts else None, **options)  # type: ignore[arg-type]
    assert (type(caught.value), str(caught.value)) == (error, message)


W = PARTS[0]["w"]
GOOD = [part["w"] for part in PARTS]
FLAWED = GOOD[2].copy()
FLAWED[3, 4] = np.nan


ENDLESS = GOOD[2].copy()
ENDLESS[0, 1] = -np.inf


NO_TARGET = ": has it no target? Then its mean is 0/0; with a count of 0 it is left out"

REFUSED: list[tuple[type[Exception], str, tuple[Any, ...], dict[str, Any]]] = [
    (ValueError, "counts or full must be given, or both", (W, GOOD), {}),
    (ValueError, "parts must hold at least one gradient, but it is empty", (W, [], []), {}),
    (
        TypeError,
        "parts must be a sequence of gradients, not one dict",
        (W, PARTS[0], COUNTS),
        {},
    ),
    (TypeError, "accumulated must be an array, not object", (object(), GOOD, COUNTS), {}),
    (TypeError, "accumulated must be an array, not bool", (True, GOOD, COUNTS), {}),
    (
        TypeError,
        "parts[1]['w'] must be of dtype float64, float32, float16 or bfloat16, not int64",
        ({"w": W}, [{"w": GOOD[0]}, {"w": np.ones((30, 20), int)}], [1, 2]),
        {},
    ),
    (
        TypeError,
        "accumulated must be of dtype float64, float32, float16 or bfloat16, not complex128",
        (W.astype(complex), GOOD, COUNTS),
        {},
    ),
    (
        ValueError,
        "parts[2]['w'] must have shape (30, 20) as in parts[0], not (600,)",
        ({"w": W}, [{"w": g if k != 2 else g.ravel()} for k, g in enumerate(GOOD)], COUNTS),
        {},
    ),
    (
        ValueError,
        "parts[1] must have the parameter 'b', as accumulated has",
        (A, [PARTS[0], {"w": W.copy()}], [1, 2]),
        {},
    ),
    (
        ValueError,
        "accumulated must have the parameter 'b', as parts[1] has",
        ({"w": W.copy()}, [{"w": GOOD[0]}, {"w": GOOD[1], "b": W}], [1, 2]),
        {},
    ),
    (
        ValueError,
        "parts[1] must have an array, as accumulated has",
        (W, [GOOD[0], {"w": GOOD[1]}], [1, 2]),
        {},
    ),
    (
        ValueError,
        "accumulated must name each parameter once, but the parameter 'a.b' is twice",
        ({"a.b": W, "a": {"b": W}}, GOOD, COUNTS),
        {},
    ),
    (ValueError, "accumulated must hold at least one array, but it is empty", ({}, [{}], [1]), {}),
    (
        ValueError,
        "micro-batch 2 must be finite, but parts[2]['w'] is nan at [3, 4]" + NO_TARGET,
        ({"w": W.copy()}, [{"w": g} for g in [*GOOD[:2], FLAWED, GOOD[3]]], COUNTS),
        {},
    ),
    (
        ValueError,
        "micro-batch 2 must be finite, but parts[2] is -inf at [0, 1]",
        (W.copy(), [*GOOD[:2], ENDLESS, GOOD[3]], COUNTS),
        {},
    ),
    (
        ValueError,
        "accumulated must be finite, but accumulated is nan at [0]",
        (np.float64("nan"), [1.0, 2.0], [1, 2]),
        {},
    ),
    (
        ValueError,
        "an array must not be so large that its square overflows float64",
        (np.full(20, 1e200), [np.ones(20), np.ones(20)], [1, 2]),
        {},
    ),
    (
        ValueError,
        (
            "parts[2] must not share memory with parts[0]: "
            "clone each gradient before the next backward pass"
        ),
        (W.copy(), [GOOD[0], GOOD[1], GOOD[0].reshape(30, 20), GOOD[3]], COUNTS),
        {},
    ),
    (
        ValueError,
        (
            "accumulated['w'] must not share memory with parts[0]: "
            "clone each gradient before the next backward pass"
        ),
        ({"w": Torch(W)}, [{"w": Torch(W)}], [1]),
        {},
    ),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("error", "message", "args", "options"), REFUSED)
def test_bad_input_is_refused_by_name(
    error: type[Exception], message: str, args: tuple[Any, ...], options: dict[str, Any]
) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        refused(error, message, *args, **options)


# The audit's place in the package


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return set(names)


def strangers(names: set[str]) -> set[str]:
    """Return what the audit may not import: all but NumPy, Python's own and itself."""
    own = ("gradexplain.audit", "numpy")
    return {
        name
        for name in names
        if not name.startswith(own) and name.partition(".")[0] not in sys.stdlib_module_names
    }


def test_the_audit_imports_numpy_and_nothing_else() -> None:
    folder = Path(gradexplain.audit.__file__).parent
    found = {
        path.relative_to(folder).as_posix(): strangers(imported(path))
        for path in folder.rglob("*.py")
    }
    drawing = {"gradexplain.plotting", "matplotlib.figure"}  # in plot(), when asked
    assert found.pop("tell/report.py") == drawing
    assert set().union(*found.values()) == set()
    assert strangers({"torch", "gradexplain.network", "numpy.typing", "json"}) == {
        "torch",
        "gradexplain.network",
    }
