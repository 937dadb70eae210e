"""What a reading measures: angles, distances, tolerances, and what of them is shown."""

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from audits import COUNTS, RIGHT, Gradient, random_parts, times, weighted

from gradexplain import Verdict, audit_accumulation

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


def test_the_tolerance_says_how_many_roundings_it_allows() -> None:
    for dtype, why in [
        ("float16", "4u√K with u = 0.00049 of float16, K = 4"),
        ("float32", "16u√K with u = 6e-08 of float32, K = 4"),
        ("float64", "the floor"),
    ]:
        parts = in_dtype(dtype)
        assert audit_accumulation(weighted(COUNTS, parts), parts, counts=COUNTS).why == why


def test_the_tolerance_goes_with_the_root_of_the_number_of_parts() -> None:
    parts = in_dtype("float16", random_parts(9))
    report = audit_accumulation(weighted([3.0] * 9, parts), parts, counts=range(1, 10))
    assert report.why == "4u√K with u = 0.00049 of float16, K = 9"
    assert report.tolerated == pytest.approx(4 * 2**-11 * 3)


def test_the_full_gradient_alone_leaves_the_tolerance_as_it_is() -> None:
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
        gradients = [g["w"].astype(d) for g, d in zip([A, *PARTS], dtypes, strict=True)]
        report = audit_accumulation(gradients[0], gradients[1:], counts=COUNTS, arithmetic=arithmetic)
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
    A, T = weighted([0.25] * 4, PARTS), weighted(RIGHT, PARTS)
    a, t = (np.concatenate([np.ravel(v) for v in g.values()]) for g in (A, T))
    report = report_of([0.25] * 4)
    assert report.relative_error == pytest.approx(np.linalg.norm(a - t) / np.linalg.norm(t))
    cosine = a @ t / np.linalg.norm(a) / np.linalg.norm(t)
    assert report.angle == pytest.approx(np.degrees(np.arccos(cosine)))
    assert report.ratios == pytest.approx(0.25 / RIGHT)
    tiny = np.array([1e-9, 0, 0, 0])
    slightly = report_of(RIGHT + tiny)  # arccos would see nothing
    moved = np.concatenate([np.ravel(v) for v in weighted(tiny, PARTS).values()])
    across = moved - moved @ t / (t @ t) * t
    assert slightly.angle == pytest.approx(
        np.degrees(np.linalg.norm(across) / np.linalg.norm(t)), rel=1e-3
    )
    stray = random_parts(1, seed=9)[0]
    outside = audit_accumulation({n: v + 0.1 * stray[n] for n, v in T.items()}, PARTS, counts=COUNTS)
    matrix = np.array([np.concatenate([np.ravel(v) for v in p.values()]) for p in PARTS]).T
    s = np.concatenate([np.ravel(v) for v in stray.values()])
    left = 0.1 * (s - matrix @ np.linalg.lstsq(matrix, s)[0])
    scale = np.abs(outside.weights) @ np.linalg.norm(matrix, axis=0)  # type: ignore[arg-type]
    assert outside.outside == pytest.approx(np.linalg.norm(left) / scale, rel=1e-6)


def test_the_blur_covers_the_error_of_a_float32_sum() -> None:
    for seed in range(10):
        parts = random_parts(8, seed=seed, dtype=np.float32, common=seed)
        weights = np.random.default_rng(seed).dirichlet(np.ones(8))
        report = report_of(weights, parts=parts, counts=np.ones(8))
        errors = np.abs(np.array(report.weights, float) - weights)
        assert np.all(errors <= np.array(report.blur, float))
        assert np.all(np.array(report.blur, float) < 1e-4)


def test_beside_a_gradient_of_zero_the_tolerance_is_in_units_of_the_mean_gradient() -> None:
    report = audit_accumulation(times(PARTS[0], 0.0), PARTS, counts=COUNTS)
    assert report.tolerated < 1e-5
