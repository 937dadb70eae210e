"""What a reading measures: angles, distances, tolerances, and what of them is shown."""

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from audits import COUNTS, RIGHT, Gradient, plus, random_parts, times, weighted

from gradexplain import PerWorker, Update, Verdict, audit_accumulation, sketch
from gradexplain.audit.judge.case import Parts
from gradexplain.audit.read.reading import Reading, _part_sizes, read
from gradexplain.audit.read.sources import sources

PARTS = random_parts()
MEAN = weighted(RIGHT, PARTS)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def in_dtype(dtype: str, parts: list[Gradient] = PARTS) -> list[Gradient]:
    return [{name: np.asarray(g, dtype) for name, g in part.items()} for part in parts]


def test_the_angle_is_zero_where_a_is_the_full_gradient_to_the_last_bit() -> None:
    report = audit_accumulation(times(MEAN, 1.0), PARTS, full=MEAN)
    assert (report.angle, report.relative_error) == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_a_gradient_of_zero_has_no_angle_whatever_rounding_leaves(seed: int) -> None:
    parts, counts = random_parts(5, seed), [10, 90, 30, 5, 7]
    report = audit_accumulation(weighted([0] * 5, parts), parts, counts=counts)
    assert report.angle is None
    assert report.relative_error == pytest.approx(1)
    assert "angle unknown" in str(report)


@pytest.mark.parametrize(
    ("dtype", "tolerated"),
    [("float16", 4 * 2.0**-11 * 2), ("float32", 16 * 2.0**-24 * 2), ("float64", 1e-7)],
)
def test_the_tolerance_follows_the_arithmetic(dtype: str, tolerated: float) -> None:
    parts = in_dtype(dtype)
    report = audit_accumulation(weighted(COUNTS, parts), parts, counts=COUNTS)
    assert report.arithmetic == dtype
    assert report.tolerated == pytest.approx(tolerated, rel=1e-2)
    assert f" in {dtype} (the arrays' type)" in " ".join(str(report).split())


def test_the_tolerance_goes_with_the_root_of_the_number_of_parts() -> None:
    parts = in_dtype("float16", random_parts(9))
    report = audit_accumulation(weighted([3.0] * 9, parts), parts, counts=range(1, 10))
    assert report.tolerated == pytest.approx(4 * 2**-11 * 3)


def test_the_full_gradient_without_counts_leaves_the_tolerance_as_it_is() -> None:
    """The weights are then measured from the plain mean, whose terms are no longer than A's."""
    alike = weighted([0.25] * 4, PARTS)
    report = audit_accumulation(alike, PARTS, full=times(alike, 1.0))
    assert report.verdict is Verdict.EXACT
    assert report.tolerated == pytest.approx(1e-7)


def test_of_zeros_nothing_is_right_and_half_precision_tolerates_its_smallest_number() -> None:
    nothing = in_dtype("float16", [times(part, 0.0) for part in PARTS])
    A, full = (weighted(RIGHT, nothing) for _ in range(2))
    report = audit_accumulation(A, nothing, full=full)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.tolerated == pytest.approx(2**-25 * (641 * 4) ** 0.5)
    nothing = [times(part, 0.0) for part in PARTS]
    report = audit_accumulation(times(MEAN, 0.0), nothing, full=times(MEAN, 0.0))
    assert report.expected == report.weights == (None,) * 4


def test_the_coarsest_dtype_seen_sets_the_tolerance() -> None:
    def tolerance(*dtypes: npt.DTypeLike, arithmetic: str | None = None) -> float:
        gradients = [g["w"].astype(d) for g, d in zip([MEAN, *PARTS], dtypes, strict=True)]
        report = audit_accumulation(
            gradients[0], gradients[1:], counts=COUNTS, arithmetic=arithmetic
        )
        assert report.tolerated is not None
        return report.tolerated

    f64, f32, f16 = np.float64, np.float32, np.float16
    assert tolerance(f64, f64, f64, f64, f64) == pytest.approx(1e-7, rel=1e-3)
    assert tolerance(f32, f64, f64, f64, f64) == pytest.approx(32 * 2**-24)
    assert tolerance(f64, f64, f64, f64, f32) == pytest.approx(32 * 2**-24)
    assert tolerance(f32, f32, f16, f32, f32) == pytest.approx(8 * 2**-11, rel=1e-3)
    assert tolerance(f32, f32, BFLOAT16, f16, f32) == pytest.approx(8 * 2**-8)
    assert tolerance(f32, f32, f32, f32, f32, arithmetic="tfloat32") == pytest.approx(8 * 2**-11)
    assert tolerance(f16, f16, f16, f16, f16, arithmetic="float32") == pytest.approx(
        8 * 2**-11, rel=1e-3
    )


def test_measures_are_those_of_the_definitions() -> None:
    A, T = weighted([0.25] * 4, PARTS), MEAN
    a, t = (np.concatenate([np.ravel(v) for v in g.values()]) for g in (A, T))
    report = audit_accumulation(A, PARTS, counts=COUNTS)
    assert report.relative_error == pytest.approx(np.linalg.norm(a - t) / np.linalg.norm(t))
    cosine = a @ t / np.linalg.norm(a) / np.linalg.norm(t)
    assert report.angle == pytest.approx(np.degrees(np.arccos(cosine)))
    assert report.ratios == pytest.approx(0.25 / RIGHT)
    tiny = np.array([1e-9, 0, 0, 0])
    slightly = audit_accumulation(
        weighted(RIGHT + tiny, PARTS), PARTS, counts=COUNTS
    )  # arccos would see nothing
    moved = np.concatenate([np.ravel(v) for v in weighted(tiny, PARTS).values()])
    across = moved - moved @ t / (t @ t) * t
    assert slightly.angle == pytest.approx(
        np.degrees(np.linalg.norm(across) / np.linalg.norm(t)), rel=1e-3
    )
    stray = random_parts(1, seed=9)[0]
    outside = audit_accumulation(
        {n: v + 1e-3 * stray[n] for n, v in T.items()}, PARTS, counts=COUNTS
    )
    matrix = np.array([np.concatenate([np.ravel(v) for v in p.values()]) for p in PARTS]).T
    s = np.concatenate([np.ravel(v) for v in stray.values()])
    left = 1e-3 * (s - matrix @ np.linalg.lstsq(matrix, s)[0])
    scale = np.abs(outside.weights) @ np.linalg.norm(matrix, axis=0)  # type: ignore[arg-type]
    assert outside.outside == pytest.approx(np.linalg.norm(left) / scale, rel=1e-6)


def test_the_uncertainty_covers_the_error_of_a_float32_sum() -> None:
    for seed in range(10):
        parts = random_parts(8, seed=seed, dtype=np.float32, common=seed)
        weights = np.random.default_rng(seed).dirichlet(np.ones(8))
        report = audit_accumulation(weighted(weights, parts), parts, counts=np.ones(8))
        uncertainty = np.array([part.uncertainty for part in report.parts], float)
        errors = np.abs(np.array(report.weights, float) - weights)
        assert np.all(errors <= uncertainty)
        assert np.all(uncertainty < 1e-4)


def test_beside_a_gradient_of_zero_the_tolerance_is_in_units_of_the_mean_gradient() -> None:
    report = audit_accumulation(times(PARTS[0], 0.0), PARTS, counts=COUNTS)
    assert report.tolerated is not None
    assert report.tolerated < 1e-5


# What the judge is given beside the weights


TABLE = Parts(RIGHT, 1e-9 * RIGHT)
OTHER = random_parts(1, seed=9)[0]


def read_of(A: object, arithmetic: str | None = None, **options: Any) -> Reading:
    table = options.pop("table", TABLE)
    given = options.pop("parts", PARTS)
    return read(sources(A, {"parts": given}, **options), table, arithmetic)


def flat(gradient: Gradient) -> npt.NDArray[np.float64]:
    return np.concatenate([np.ravel(value).astype(float) for value in gradient.values()])


def test_a_reading_of_the_mean_shows_nothing_odd() -> None:
    found = read_of(MEAN)
    assert found.weights.values == pytest.approx(RIGHT)
    evidence = found.evidence
    assert (evidence.zero, evidence.short, evidence.rank, evidence.spread) == (False, False, 4, 641)
    assert (evidence.enough, evidence.hidden_fit, evidence.sketched) == (True, False, False)
    assert (evidence.plausible, evidence.repeat, evidence.disagree) == ((), 0.0, False)
    assert (evidence.full, evidence.extended, evidence.workers) == (None, None, ())
    assert evidence.hidden.tolist() == [False] * 4
    assert evidence.stray == np.inf
    assert evidence.outside < 1e-6
    assert evidence.outer == pytest.approx(1)
    assert [name for name, _, _ in evidence.parameters] == ["w", "b", "scale"]
    assert [own.enough for _, _, own in evidence.parameters] == [True, True, False]
    assert (found.measures.numbers, found.measures.sketched) == (641, False)
    assert (found.measures.source, found.measures.left_out) == ("dtype", ())


def test_lengths_are_in_units_of_rounding_or_of_what_lies_outside() -> None:
    A = plus(MEAN, OTHER, 1e-3)
    matrix = np.array([flat(part) for part in PARTS]).T
    left = 1e-3 * (flat(OTHER) - matrix @ np.linalg.lstsq(matrix, flat(OTHER))[0])
    scale = np.abs(read_of(A).weights.values) @ np.linalg.norm(matrix, axis=0)
    found = read_of(A)
    assert found.evidence.outside == pytest.approx(1)
    assert found.evidence.outer == pytest.approx(1e-7 * scale / np.linalg.norm(left), rel=1e-3)
    assert found.evidence.share == pytest.approx(np.linalg.norm(left) / scale, rel=1e-6)
    assert found.measures.outside == pytest.approx(found.evidence.share)
    within = read_of(plus(MEAN, OTHER, 1e-8))
    assert 0.001 < within.evidence.outside < 1
    assert within.evidence.outer == pytest.approx(1)


@pytest.mark.parametrize(
    ("share", "plausible"),
    [
        (1e-7, ()),
        (3e-5, ("tfloat32", "float16", "bfloat16")),
        (0.9 * 8 * 2.0**-11, ("tfloat32", "float16", "bfloat16")),
        (1.1 * 8 * 2.0**-11, ("bfloat16",)),
        (0.9 * 8 * 2.0**-8, ("bfloat16",)),
        (1.1 * 8 * 2.0**-8, ()),
    ],
)
def test_coarser_arithmetics_are_plausible_up_to_what_they_would_allow(
    share: float, plausible: tuple[str, ...]
) -> None:
    """Four parts at right angles, each of the same length; what is outside is a part of a fifth."""
    u = np.linalg.qr(np.random.default_rng(0).standard_normal((60, 5)))[0].T
    A = u[:4].mean(axis=0) + share * u[4]
    table = Parts(np.ones(4) / 4, np.zeros(4))
    options: dict[str, Any] = {"parts": [{"w": np.float32(row)} for row in u[:4]], "table": table}
    assert read_of({"w": np.float32(A)}, **options).evidence.plausible == plausible
    assert read_of({"w": np.float32(A)}, "float32", **options).evidence.plausible == ()
    wide: dict[str, Any] = {"parts": [{"w": row} for row in u[:4]], "table": table}
    assert read_of({"w": A}, **wide).evidence.plausible == ()


def test_a_gradient_of_zero_and_one_that_is_short_are_told_apart() -> None:
    zero = read_of(times(MEAN, 0.0)).evidence
    assert (zero.zero, zero.short) == (True, True)
    assert zero.share == 0
    short = read_of(times(MEAN, 1e-8)).evidence
    assert (short.zero, short.short) == (False, True)


def test_of_zeros_alone_nothing_is_odd_but_that_they_are() -> None:
    zeros: list[Gradient] = [{"w": np.zeros(40, np.float32)} for _ in range(6)]
    found = read_of(PerWorker(zeros[4:]), parts=zeros[:4]).evidence
    assert (found.zero, found.short, found.disagree) == (True, True, False)
    assert (found.share, found.outside, found.outer, found.plausible) == (0, 0, 0, ())


def test_a_part_that_is_hidden_explains_nothing_where_nothing_is_left() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 1e-8)]
    found = read_of(weighted([*RIGHT[:3], 0.0], parts), parts=parts).evidence
    assert found.hidden.any()
    assert not found.hidden_fit


def test_a_part_that_is_hidden_may_explain_what_lies_outside() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 1e-8)]
    found = read_of(times(parts[3], 90.0), parts=parts).evidence
    assert found.hidden.tolist() == [False, False, False, True]
    assert found.hidden_fit
    stray = read_of(times(OTHER, 1e-6), parts=parts).evidence
    assert not stray.hidden_fit
    nothing = [*PARTS[:3], times(PARTS[3], 0.0)]
    assert not read_of(OTHER, parts=nothing).evidence.hidden_fit


def test_the_first_part_computed_again_is_compared_by_its_own_length() -> None:
    assert read_of(MEAN, again=times(PARTS[0], 1.25)).evidence.repeat == pytest.approx(0.25)
    assert read_of(MEAN, again=times(PARTS[0], 1 + 0.9e-7)).evidence.repeat == 0
    assert read_of(MEAN, again=times(PARTS[0], 1 + 1.1e-7)).evidence.repeat > 0
    moved = read_of(MEAN, "bfloat16", again=times(PARTS[0], 1 + 7.9 * 2.0**-8)).evidence.repeat
    assert moved == 0
    moved = read_of(MEAN, "bfloat16", again=times(PARTS[0], 1 + 8.1 * 2.0**-8)).evidence.repeat
    assert moved == pytest.approx(8.1 * 2.0**-8)
    parts = [times(PARTS[0], 0.0), *PARTS[1:]]
    assert read_of(MEAN, parts=parts, again=PARTS[0]).evidence.repeat == np.inf
    assert read_of(MEAN, parts=parts, again=times(PARTS[0], 0.0)).evidence.repeat == 0


def test_the_full_gradient_is_fitted_by_the_parts_and_a_by_it() -> None:
    other = np.array([0.4, 0.3, 0.2, 0.1])
    full = read_of(weighted(0.5 * other, PARTS), full=weighted(other, PARTS)).evidence.full
    assert full is not None
    assert full.weights.values == pytest.approx(other)
    assert full.is_mean
    assert not full.meets
    assert full.multiple is not None
    assert full.multiple[0] == pytest.approx(0.5)
    assert 0 < full.multiple[1] < 1e-5
    same = read_of(MEAN, full=times(MEAN, 1.0)).evidence.full
    assert same is not None
    assert same.meets
    assert same.multiple is not None
    assert same.multiple[0] == pytest.approx(1)
    none = read_of(MEAN, full=OTHER).evidence.full
    assert none is not None
    assert (none.meets, none.multiple, none.is_mean) == (False, None, False)
    zero = read_of(MEAN, full=times(MEAN, 0.0)).evidence.full
    assert zero is not None
    assert zero.multiple is None


@pytest.mark.parametrize("factor", [1e-3, 0.5])
@pytest.mark.parametrize("size", [1e-4, 1.0])
def test_a_multiple_of_the_full_gradient_is_read_whatever_its_size(
    factor: float, size: float
) -> None:
    full = read_of(
        times(OTHER, factor * size),
        parts=[times(part, size) for part in PARTS],
        full=times(OTHER, size),
    ).evidence.full
    assert full is not None
    assert full.multiple is not None
    assert full.multiple[0] == pytest.approx(factor)
    assert 0 < full.multiple[1] < 1e-5


def test_the_rounding_of_parameters_is_no_excuse_for_the_full_gradient() -> None:
    before = {name: np.full_like(value, 1e12) for name, value in MEAN.items()}
    step = Update(before, plus(before, MEAN, -1.0), 1.0)
    full = read_of(step, full=plus(MEAN, OTHER, 1e-4)).evidence.full
    assert full is not None
    assert not full.is_mean


def test_each_worker_is_read_and_compared_with_the_first() -> None:
    each = [weighted(weights, PARTS) for weights in (RIGHT, np.ones(4) / 4)]
    evidence = read_of(PerWorker(each)).evidence
    assert evidence.disagree
    assert [weights.values.tolist() for weights in evidence.workers] == [
        pytest.approx(RIGHT),
        pytest.approx([0.25] * 4),
    ]
    far = plus(MEAN, OTHER)
    assert read_of(PerWorker([far, plus(far, OTHER, 1e-4)])).evidence.disagree
    near = PerWorker([MEAN, times(MEAN, 1 + 1e-8)])
    assert not read_of(near).evidence.disagree
    assert read_of(PerWorker([MEAN])).evidence.workers == ()


def test_workers_that_differ_in_one_parameter_differ_there_and_so_as_a_whole() -> None:
    other = {**times(MEAN, 1.0), "b": 1.1 * MEAN["b"]}
    evidence = read_of(PerWorker([times(MEAN, 1.0), other])).evidence
    assert evidence.disagree
    assert {name: found.disagree for name, _, found in evidence.parameters} == {
        "w": False,
        "b": True,
        "scale": False,
    }


def test_parts_of_sums_are_read_as_means() -> None:
    counts = np.array(COUNTS)
    table = Parts(RIGHT, 1e-9 * RIGHT, counts=counts, means=False)
    sums = [times(part, n) for part, n in zip(PARTS, counts, strict=True)]
    found = read_of(MEAN, parts=sums, table=table, again=times(sums[0], 1.5))
    assert found.weights.values == pytest.approx(RIGHT)
    assert found.evidence.repeat == pytest.approx(0.5)
    plain = read_of(MEAN)
    assert found.weights.metric == pytest.approx(plain.weights.metric)


def test_a_sum_is_divided_by_its_count_and_one_over_no_target_by_nothing() -> None:
    counts = np.array([10.0, 0.0, 0.5])
    assert _part_sizes(Parts(counts, counts, counts=counts, means=False)).tolist() == [10, 1, 0.5]
    assert _part_sizes(Parts(counts, counts, counts=counts)).tolist() == [1, 1, 1]


def test_distances_are_from_the_full_gradient_or_else_the_expected_mean() -> None:
    A, F = weighted([0.4, 0.3, 0.2, 0.1], PARTS), weighted(np.ones(4) / 4, PARTS)
    for full, reference in [(None, MEAN), (F, F)]:
        measures = read_of(A, full=full).measures
        a, r = flat(A), flat(reference)
        assert measures.relative_error == pytest.approx(np.linalg.norm(a - r) / np.linalg.norm(r))
        cosine = a @ r / np.linalg.norm(a) / np.linalg.norm(r)
        assert measures.angle == pytest.approx(np.degrees(np.arccos(cosine)))
    unknown = Parts(RIGHT, 1e-9 * RIGHT, known=False)
    vague = read_of(A, table=unknown).measures
    assert (vague.relative_error, vague.angle) == (None, None)
    assert read_of(A, table=unknown, full=F).measures.angle is not None
    opposite = read_of(times(MEAN, -2.0)).measures
    assert [opposite.relative_error, opposite.angle] == pytest.approx([3, 180])


@pytest.mark.parametrize(
    ("dtype", "declared", "arithmetic", "source"),
    [
        ("float32", None, "float32", "dtype"),
        ("float32", "bfloat16", "bfloat16", "given"),
        ("float32", "float32", "float32", "given"),
        ("float16", "float32", "float16", "dtype"),
        ("float64", None, "float64", "dtype"),
    ],
)
def test_how_the_arithmetic_is_known_is_reported(
    dtype: str, declared: str | None, arithmetic: str, source: str
) -> None:
    parts = in_dtype(dtype)
    measures = read_of(weighted(RIGHT, parts), declared, parts=parts).measures
    assert (measures.arithmetic, measures.source) == (arithmetic, source)
    wide = [{n: np.asarray(v, np.float64) for n, v in part.items()} for part in parts]
    if dtype != "float64" and declared is None:
        A = {n: np.asarray(v, np.float64) for n, v in weighted(RIGHT, parts).items()}
        measures = read_of(A, parts=wide).measures
        assert (measures.arithmetic, measures.source) == (dtype, "inferred")


def test_sketches_are_read_as_the_numbers_they_stand_for() -> None:
    found = read_of(sketch(MEAN), parts=[sketch(part) for part in PARTS])
    assert (found.measures.numbers, found.measures.sketched) == (641, True)
    assert found.evidence.sketched
