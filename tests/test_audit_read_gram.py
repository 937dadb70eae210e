"""The streamed inner products, against the same computed at once, and parts that are left out."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from audits import COUNTS, RIGHT, Gradient, random_parts, times, weighted

from gradexplain import Term, Update, Verdict, audit_accumulation
from gradexplain.audit.read.arithmetic import UNITS
from gradexplain.audit.read.gram import SPARE, Gram, _room, gather
from gradexplain.audit.read.sources import sources

PARTS = random_parts(3)
BASE = np.array([0.2, 0.3, 0.5])
OTHERS = random_parts(5, seed=4)


def flat(gradient: Gradient, names: tuple[str, ...] = ("w", "b", "scale")) -> npt.NDArray[Any]:
    return np.concatenate([np.ravel(gradient[name]).astype(float) for name in names])


def gathered(A: object = OTHERS[0], empty: list[int] | None = None, **options: Any) -> Gram:
    """Stream parts and what else is given."""
    given = options.pop("parts", PARTS)
    left_out = np.isin(np.arange(len(given)), empty or [])
    return gather(sources(A, {"parts": given}, **options), np.full(len(given), 1 / 3), left_out)


def test_products_are_those_of_the_differences_from_the_mean_parameter_by_parameter() -> None:
    A, F, again, extra = OTHERS[:4]
    found = gather(
        sources(A, {"parts": PARTS}, full=F, again=again, extra={"theta": extra}),
        BASE,
        np.zeros(3, bool),
    )
    assert (found.names, found.sizes) == (("w", "b", "scale"), (600, 40, 1))
    for index, name in enumerate(found.names):
        g = [flat(part, (name,)) for part in PARTS]
        mean = BASE @ np.array(g)
        a, f, r, x = (flat(gradient, (name,)) for gradient in (A, F, again, extra))
        rows = np.array([*g, a - mean, f - mean, r - g[0], x])
        assert found.products[index] == pytest.approx(rows @ rows.T, rel=1e-12, abs=1e-12)
        assert found.peaks[index] == pytest.approx(np.abs(a).max())
        assert np.array_equal(found.products[index], found.products[index].T)


@pytest.mark.parametrize("rows", [1, 3, 9])
def test_each_row_starts_a_line_of_the_cache(rows: int) -> None:
    """Each again and again, since an array of the machine's may happen to start at one."""
    rooms = [_room(rows, 8 * 51 + rest) for rest in range(8)]
    assert {room.shape for room in rooms} == {(rows, 8 * 51)}
    assert {row.ctypes.data % 64 for room in rooms for row in room} == {0}
    assert all(room.flags.c_contiguous and not room.any() for room in rooms)


@pytest.mark.parametrize("sign", [1, -1])
def test_long_parameters_are_streamed_in_blocks(sign: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4, 70_001))
    rows[3, 40_000] = sign * 17.0
    found = gathered({"w": rows[3]}, parts=[{"w": row} for row in rows[:3]])
    mean = rows[:3].mean(axis=0)
    matrix = np.array([*rows[:3], rows[3] - mean])
    assert found.products[0] == pytest.approx(matrix @ matrix.T, rel=1e-9, abs=1e-7)
    assert (found.sizes, found.peaks.tolist()) == ((70_001,), [17.0])


def test_what_is_given_to_be_divided_out_is_divided_out() -> None:
    plain, twice = gathered(OTHERS[0]), gathered(times(OTHERS[0], -2.0), scale=-2.0)
    assert twice.products == pytest.approx(plain.products)
    assert twice.peaks == pytest.approx(plain.peaks)


def test_many_gradients_leave_room_for_fewer_numbers_of_each() -> None:
    rows = np.random.default_rng(0).standard_normal((101, 5000))
    A, parts = rows[0].copy(), [{"w": row} for row in rows[1:]]
    found = gathered({"w": A}, parts=parts)
    matrix = np.array([*rows[1:], A - rows[1:].sum(axis=0) / 3])
    assert found.products[0] == pytest.approx(matrix @ matrix.T, rel=1e-9, abs=1e-7)


def test_places_that_are_zero_in_every_part_are_not_counted() -> None:
    K = 3
    for number, counted in [(5, 5), (K + SPARE, K + SPARE), (600, 600)]:
        parts = [{"w": np.append(part["w"].ravel()[:number], np.zeros(50))} for part in PARTS]
        assert gathered(parts[0].copy() | {"w": parts[0]["w"].copy()}, parts=parts).spreads == (
            counted,
        )
    long = [{"w": row} for row in np.random.default_rng(0).standard_normal((3, 100_000))]
    (spread,) = gathered({"w": long[0]["w"].copy()}, parts=long).spreads
    assert K + SPARE <= spread < 100_000  # enough is enough


def test_the_rounding_of_parameters_goes_with_their_length_and_the_learning_rate() -> None:
    before = {"w": np.full(100, 3.0, np.float32), "b": np.zeros(7, np.float32)}
    after = {"w": np.full(100, 2.0, np.float32), "b": None}
    parts = [{"w": np.arange(100.0) + k, "b": np.ones(7)} for k in range(3)]
    found = gathered(Update(before, after, 0.1), parts=parts)
    assert found.roundings == pytest.approx([2.0**-24 * 20 / 0.1, 0.0])
    assert found.peaks == pytest.approx([10.0, 0.0])
    assert gathered().roundings.tolist() == [0, 0, 0]


RNG = np.random.default_rng(0)
FINE, COARSE = RNG.standard_normal(60).astype(np.float32), RNG.standard_normal(60)
COARSE = (COARSE.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)  # bfloat16


@pytest.mark.parametrize(
    ("before", "after", "arithmetic"),
    [
        (COARSE + 0, COARSE[::-1], "bfloat16"),
        (FINE + 0, COARSE, "bfloat16"),
        (COARSE + 0, FINE, "float32"),  # the step starts at a bfloat16 checkpoint
        (FINE.astype(float), FINE[::-1].astype(float), "float32"),
        (FINE + 0, np.ones(60, np.float32), "float32"),
        (COARSE + 0, np.ones(60, np.float32), "bfloat16"),  # of the two, the one that shows any
        (np.zeros(60, np.float32), np.ones(60), "float32"),
        (FINE.astype(np.float16), FINE, "float16"),
    ],
)
def test_parameters_were_rounded_as_their_numbers_show(
    before: npt.NDArray[Any], after: npt.NDArray[Any], arithmetic: str
) -> None:
    parts = [{"w": part["w"].ravel()[:60]} for part in PARTS]
    found = gathered(Update({"w": before}, {"w": after.copy()}, 0.1), parts=parts)
    length = float(np.linalg.norm(after.astype(float)))
    assert found.roundings == pytest.approx([UNITS[arithmetic] * length / 0.1])


def test_parameters_that_show_nothing_were_rounded_as_the_others() -> None:
    ones = np.ones(60, np.float32)
    before = {"w": COARSE + 0, "still": COARSE + 0, "ones": ones}
    parts = [dict.fromkeys(before, part["w"].ravel()[:60]) for part in PARTS]
    parts = [{name: array.copy() for name, array in part.items()} for part in parts]
    for w, arithmetic in ((COARSE[::-1], "bfloat16"), (FINE, "float32")):
        after = {"w": w.copy(), "still": COARSE.copy(), "ones": 2 * ones}
        found = gathered(Update(before, after, 1.0), parts=parts)
        lengths = [float(np.linalg.norm(after[name])) for name in before]
        assert found.roundings == pytest.approx(UNITS[arithmetic] * np.array(lengths))


def test_the_length_of_float16_parameters_is_no_float16_number() -> None:
    before, after = ({"w": np.full(600, value, np.float16)} for value in (301, 300))
    parts = [{"w": part["w"].ravel()} for part in PARTS]
    found = gathered(Update(before, after, 1.0), parts=parts)
    assert found.roundings == pytest.approx([2.0**-11 * 300 * 600**0.5])


# The arithmetic


def test_where_no_number_proves_anything_the_types_of_all_parameters_count() -> None:
    zeros, *parts = ({"a": np.zeros(5, np.float32), "b": np.zeros(5)} for _ in range(4))
    assert gathered(zeros, parts=parts).arithmetic == "float32"
    known = sources(zeros, {"parts": parts})
    for dtype in ("float64", "bfloat16"):  # of what sketches stand for
        found = gather(replace(known, dtype=dtype), BASE, np.zeros(3, bool))
        assert found.arithmetic == max("float32", dtype, key=UNITS.__getitem__)
        assert not found.inferred
    zeros["a"] = np.random.default_rng(0).standard_normal(5)  # one that proves something is enough
    assert gathered(zeros, parts=parts).arithmetic == "float64"


# Parts without targets that are not finite


def flawed(part: Gradient, value: float) -> Gradient:
    broken = {name: np.array(array) for name, array in part.items()}
    broken["b"][3] = value
    return broken


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_part_of_count_0_that_is_not_finite_is_left_out_with_a_note(value: float) -> None:
    parts = [*random_parts(4)]
    parts[2] = flawed(parts[2], value)
    counts = np.array([10.0, 90.0, 0.0, 5.0])
    A = weighted([10 / 105, 90 / 105, 5 / 105], [parts[k] for k in (0, 1, 3)])
    report = audit_accumulation(A, parts, counts=counts)
    assert (report.verdict, report.ok) == (Verdict.EXACT, True)
    assert report.notes == ("Not finite, but with a count of 0, so left out: parts[2].",)
    assert report.weights[2] is None
    alike = weighted([1 / 4] * 3, [parts[k] for k in (0, 1, 3)])
    assert audit_accumulation(alike, parts, counts=counts).verdict is Verdict.MEAN_OF_MEANS


def test_a_finite_part_of_count_0_is_kept() -> None:
    parts, counts = random_parts(4), np.array([10.0, 90.0, 0.0, 5.0])
    report = audit_accumulation(weighted(counts / 105, parts), parts, counts=counts)
    assert (report.verdict, report.notes) == (Verdict.EXACT, ())
    assert report.weights[2] == pytest.approx(0, abs=1e-9)


@pytest.mark.bad_input
def test_a_part_with_targets_that_is_not_finite_is_named_as_a_micro_batch() -> None:
    parts = [*random_parts(4)]
    parts[2] = flawed(parts[2], np.nan)
    message = (
        "micro-batch 2 must be finite, but parts[2]['b'] is nan at [3]: has it no target? Then its "
        "mean is 0/0; with a count of 0 it is left out"
    )
    for counts in (COUNTS, [0, 90, 30, 5]):
        with pytest.raises(ValueError, match=r"^micro-batch 2 ") as caught:
            audit_accumulation(weighted(RIGHT, random_parts(4)), parts, counts=counts)
        assert str(caught.value) == message


@pytest.mark.bad_input
def test_what_else_is_not_finite_is_named_not_the_part_without_targets() -> None:
    parts = [*random_parts(4)]
    parts[2] = flawed(parts[2], np.nan)
    A = flawed(weighted(RIGHT, random_parts(4)), np.inf)
    with pytest.raises(ValueError, match=r"accumulated\['b'\] is inf at \[3\]"):
        audit_accumulation(A, parts, counts=[10, 90, 0, 5])


@pytest.mark.bad_input
def test_a_part_of_another_term_is_named_by_its_term() -> None:
    aux = [*random_parts(2, seed=5)]
    aux[1] = flawed(aux[1], np.nan)
    parts = random_parts(4)
    with pytest.raises(ValueError, match=r"terms\['aux'\].parts\[1\]\['b'\] is nan at \[3\]"):
        audit_accumulation(
            weighted(RIGHT, parts), parts, counts=COUNTS, terms={"aux": Term(aux, [1, 2])}
        )


def test_a_part_of_another_term_without_targets_is_left_out_too() -> None:
    aux = [*random_parts(2, seed=5)]
    A = {n: v + 0.5 * aux[0][n] for n, v in weighted(RIGHT, random_parts(4)).items()}
    aux[1] = flawed(aux[1], np.nan)
    terms = {"aux": Term(aux, [3, 0], 0.5)}
    report = audit_accumulation(A, random_parts(4), counts=COUNTS, terms=terms)
    assert any("left out" in note for note in report.notes)
    assert report.ok is not False
