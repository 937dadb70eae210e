"""The arithmetic that numbers were computed in, read off the numbers."""

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from audits import COUNTS, RIGHT, Gradient, random_parts, weighted

from gradexplain import Verdict, audit_accumulation
from gradexplain.audit.read.arithmetic import UNITS, arithmetic_of, coarsest
from gradexplain.audit.read.tensors import to_tensor

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NORMAL = np.random.default_rng(0).standard_normal(400)


def read(values: npt.ArrayLike) -> str | None:
    return arithmetic_of(to_tensor("gradient", np.asarray(values)))


def held(values: npt.ArrayLike, dtype: npt.DTypeLike, wide: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return numbers rounded to one type, stored in another."""
    return np.asarray(values).astype(dtype).astype(wide)


def test_units_are_half_the_gap_between_one_and_the_next_number() -> None:
    for name in ("float64", "float32", "float16"):
        assert UNITS[name] == np.finfo(name).eps / 2
    assert UNITS["bfloat16"] == 2.0**-8
    assert UNITS["tfloat32"] == UNITS["float16"]


def test_the_coarsest_of_some_types_has_the_largest_unit() -> None:
    assert coarsest("float64") == "float64"
    assert coarsest("float32", "float64") == "float32"
    assert coarsest("float32", "bfloat16", "float16") == "bfloat16"


@pytest.mark.parametrize(
    ("dtype", "wide"),
    [
        (np.float64, np.float64),
        (np.float32, np.float64),
        (np.float16, np.float64),
        (BFLOAT16, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (BFLOAT16, np.float32),
    ],
)
def test_numbers_tell_the_type_they_were_rounded_to(
    dtype: npt.DTypeLike, wide: npt.DTypeLike
) -> None:
    assert read(held(NORMAL, dtype, wide)) == np.dtype(dtype).name
    assert read(held(-np.abs(NORMAL), dtype, wide)) == np.dtype(dtype).name
    assert read(held(NORMAL[:12], dtype, wide)) == np.dtype(dtype).name
    assert read(held(1e4 * NORMAL.reshape(20, 20), dtype, wide)) == np.dtype(dtype).name


@pytest.mark.parametrize("values", [NORMAL, np.zeros(5), np.zeros(0), np.arange(50.0)])
def test_half_precision_arrays_are_believed(values: npt.NDArray[np.float64]) -> None:
    assert read(values.astype(np.float16)) == "float16"
    assert read(values.astype(BFLOAT16)) == "bfloat16"


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(50),
        np.zeros(0),
        np.ones(50),
        np.arange(50.0),
        -np.arange(200.0),
        np.arange(50.0) / 8,
        2.0 ** np.arange(-60, 60),
        -(2.0 ** np.arange(-20, 20)),
        np.repeat([0.0, 1.0, -1.0], 20),
        np.arange(128) * 2.0**-30,
    ],
)
@pytest.mark.parametrize("wide", [np.float32, np.float64])
def test_zeros_powers_of_two_and_small_integers_prove_nothing(
    values: npt.NDArray[np.float64], wide: npt.DTypeLike
) -> None:
    assert read(values.astype(wide)) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float16, BFLOAT16])
def test_four_numbers_that_use_nearly_all_bits_are_evidence_and_three_are_not(
    dtype: npt.DTypeLike,
) -> None:
    bits = {"float32": 24, "float16": 11, "bfloat16": 8}[np.dtype(dtype).name]
    rich = 1 + 2.0 ** -(bits - 1)  # uses the last bit
    nearly = 1 + 2.0 ** -(bits - 2)  # uses all but the last
    poor = 1 + 2.0 ** -(bits - 3)
    for number, proven in [(rich, True), (nearly, True), (poor, False)]:
        spread = number * 2.0 ** np.arange(4)
        assert (read(spread) == np.dtype(dtype).name) is proven
        assert read(spread[:3]) is None
        assert read(np.append(spread[:3], np.ones(30))) is None


def test_one_bit_more_than_a_type_has_is_not_that_type() -> None:
    assert read((1 + 2.0**-7) * 2.0 ** np.arange(12)) == "bfloat16"
    assert read((1 + 2.0**-8) * 2.0 ** np.arange(12)) is None  # too few for float16


def test_multiples_of_one_step_may_be_integers() -> None:
    """Products of integers below 256 fit bfloat16, however many bits they use."""
    odd = np.arange(129.0, 256, 2)
    assert read(odd) is None
    assert read(odd * 2.0**-40) is None
    assert read(np.append(odd, odd * 2.0)) == "bfloat16"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_few_numbers_that_need_more_bits_decide_wherever_they_stand(dtype: npt.DTypeLike) -> None:
    name = np.dtype(dtype).name
    many = held(np.random.default_rng(1).standard_normal(40_000), BFLOAT16, np.float64)
    assert read(many) == "bfloat16"
    for place in (0, 1, 16_383, 39_996):
        few = many.copy()
        few[place] = held(1 / 3, dtype, np.float64)
        assert read(few) == (name if name == "float64" else None)  # three or fewer prove nothing
        few[place : place + 4] = held(1 / 3, dtype, np.float64)
        assert read(few) == name


def test_float16_ends_where_its_exponents_end() -> None:
    rich = held(NORMAL, np.float16, np.float64)
    assert read(rich) == "float16"
    for large, name in [(65504.0, "float16"), (2.0**16, None), (2.0**40, None)]:
        assert read(np.append(rich, large)) == name
    for small, name in [(2.0**-24, "float16"), (2.0**-25, None)]:
        assert read(np.append(rich, small)) == name


def test_subnormal_numbers_are_read_by_the_bits_they_have() -> None:
    small = held(NORMAL * 2.0**-20, np.float16, np.float64)
    assert np.count_nonzero(small)
    assert read(np.append(small, held(NORMAL, np.float16, np.float64))) == "float16"
    tiny = held(NORMAL * 1e-41, np.float32, np.float64)  # float32's own
    assert np.count_nonzero(tiny)
    assert read(np.append(held(NORMAL, np.float32, np.float64), tiny)) == "float32"
    least = NORMAL * 5e-320  # float64's own
    assert read(np.append(NORMAL, least)) == "float64"
    assert read(held(NORMAL * 1e-41, np.float32, np.float32)) in {None, "bfloat16", "float32"}


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_passed_over(odd: float) -> None:
    for dtype in (np.float32, BFLOAT16):
        for wide in (np.float32, np.float64):
            assert read(np.append(held(NORMAL, dtype, wide), wide(odd))) == np.dtype(dtype).name
    assert read(np.full(20, odd)) is None


def test_a_type_that_the_array_has_no_room_for_is_never_read() -> None:
    assert read(NORMAL.astype(np.float32)) == "float32"
    assert read(np.float32(1 / 3)) in {"float32", None}
    assert read(1 / 3) == "float64"


# What a report makes of it


def stored(parts: list[Gradient], dtype: npt.DTypeLike) -> list[Gradient]:
    return [{n: np.asarray(v).astype(dtype) for n, v in part.items()} for part in parts]


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float32])
def test_numbers_stored_in_a_finer_type_are_judged_by_their_own(dtype: npt.DTypeLike) -> None:
    name = np.dtype(dtype).name
    parts = stored(random_parts(), dtype)
    A = weighted(RIGHT, parts)
    wide = np.float64 if name == "float32" else np.float32
    report = audit_accumulation(stored([A], wide)[0], stored(parts, wide), counts=COUNTS)
    assert report.verdict is Verdict.EXACT
    assert report.arithmetic == name
    printed = " ".join(str(report).split())
    assert f"in {name} (read off the numbers, which are stored in a finer type)" in printed


def test_a_may_be_finer_than_its_parts() -> None:
    parts = stored(random_parts(), BFLOAT16)
    wide = stored(parts, np.float64)
    A = weighted(RIGHT, wide)
    report = audit_accumulation(A, wide, counts=COUNTS)
    assert (report.verdict, report.arithmetic) == (Verdict.EXACT, "bfloat16")


def test_a_tensor_that_proves_nothing_follows_the_others() -> None:
    parts: list[Gradient] = [{"w": part["w"], "mask": np.zeros(20)} for part in random_parts()]
    assert audit_accumulation(weighted(RIGHT, parts), parts, counts=COUNTS).arithmetic == "float64"
    parts = [{"w": part["w"], "mask": np.zeros(20, np.float32)} for part in random_parts()]
    assert audit_accumulation(weighted(RIGHT, parts), parts, counts=COUNTS).arithmetic == "float64"
    nothing = [{"w": np.eye(20)[k]} for k in range(2)]
    A = {"w": 0.5 * nothing[0]["w"] + 0.5 * nothing[1]["w"]}
    report = audit_accumulation(A, nothing, counts=[1, 3])
    assert report.arithmetic == "float64"


def test_what_is_declared_makes_it_coarser_never_finer() -> None:
    parts = stored(random_parts(), BFLOAT16)
    A = weighted(RIGHT, parts)
    for declared in ("float32", "tfloat32", "bfloat16"):
        report = audit_accumulation(A, parts, counts=COUNTS, arithmetic=declared)
        assert report.arithmetic == "bfloat16"
    single = random_parts(dtype=np.float32)
    report = audit_accumulation(
        weighted(RIGHT, single), single, counts=COUNTS, arithmetic="float16"
    )
    assert report.arithmetic == "float16"
    assert "in float16 (as given)" in " ".join(str(report).split())


def test_extra_columns_say_nothing_of_the_arithmetic() -> None:
    parts = random_parts(dtype=np.float64)
    theta = stored(random_parts(1, seed=9), BFLOAT16)[0]
    report = audit_accumulation(
        weighted(RIGHT, parts), parts, counts=COUNTS, extra={"theta": theta}
    )
    assert report.arithmetic == "float64"
