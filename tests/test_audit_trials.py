"""Random trials: many shapes of gradients, dtypes and faults; a wrong name is never given."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from gradexplain import Report, Verdict, audit_accumulation, sketch
from gradexplain.audit.read.arithmetic import UNITS

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DTYPES: list[np.dtype[Any]] = [
    np.dtype(np.float64),
    np.dtype(np.float32),
    np.dtype(np.float16),
    BFLOAT16,
]
KINDS = ["independent", "alike", "spiky", "sparse", "of all lengths"]


@dataclass(frozen=True)
class Trial:
    """Parts, counts, and an accumulated gradient with a known fault."""

    parts: list[npt.NDArray[np.floating]]
    counts: npt.NDArray[np.float64]
    accumulated: npt.NDArray[np.floating]
    verdict: Verdict
    gone: int  # the part that is dropped, if one is


def make_trial(rng: np.random.Generator, kind: str, dtype: np.dtype[np.floating]) -> Trial:
    K, P = int(rng.integers(3, 20)), int(10 ** rng.uniform(2, 3.5))
    parts = list(drawn(rng, kind, K, P).astype(dtype))
    counts = rng.permutation(np.arange(1.0, K + 1)) ** 2
    gone = int(rng.integers(K))
    verdict, weights = fault(rng, counts / counts.sum(), gone)
    return Trial(parts, counts, accumulate(weights, parts), verdict, gone)


def fits(report: Report, trial: Trial) -> bool:
    """Tell whether a report is right: but for a dropped part that is too short to be seen."""
    unseen = trial.verdict is Verdict.DROPPED and report.weights[trial.gone] is None
    return report.verdict in {trial.verdict, Verdict.AMBIGUOUS} or (
        unseen and report.verdict is Verdict.RESCALED and "cannot be determined" in report.notes[-1]
    )


def drawn(rng: np.random.Generator, kind: str, K: int, P: int) -> npt.NDArray[np.float64]:
    g = rng.standard_normal((K, P))
    if kind == "alike":
        return rng.standard_normal(P) + 10 ** rng.uniform(-7, 1) * g
    if kind == "spiky":
        return g * np.exp(rng.standard_normal(P))
    if kind == "sparse":
        return np.where(rng.random((K, P)) < max(0.02, 20 / P), g, 0)
    if kind == "of all lengths":
        return g * 10 ** rng.uniform(-3, 3, (K, 1))
    return g


def fault(
    rng: np.random.Generator, right: npt.NDArray[np.float64], k: int
) -> tuple[Verdict, npt.NDArray[np.float64]]:
    K = len(right)
    factor = float(rng.choice([K, 1 / K, 0.37, 100]))
    gone = np.where(np.arange(K) == k, 0, right)
    faults = [
        (Verdict.EXACT, right),
        (Verdict.RESCALED, factor * right),
        (Verdict.MEAN_OF_MEANS, np.ones(K) / K),
        (Verdict.MEAN_OF_MEANS, factor * np.ones(K) / K),
        (Verdict.DROPPED, gone),
        (Verdict.DROPPED, factor * gone),
        (Verdict.DROPPED, gone / gone.sum()),
        (Verdict.REWEIGHTED, rng.dirichlet(np.ones(K))),
    ]
    return faults[rng.integers(len(faults))]


def accumulate(
    weights: npt.NDArray[np.float64], parts: list[npt.NDArray[np.floating]]
) -> npt.NDArray[np.floating]:
    """Add up in the parts' own dtype, rounding after every step."""
    total = np.zeros_like(parts[0])
    for weight, part in zip(weights, parts, strict=True):
        total = (total + (weight.astype(part.dtype) * part).astype(part.dtype)).astype(part.dtype)
    return total


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
def test_no_fault_is_given_another_s_name(kind: str, dtype: np.dtype[np.floating]) -> None:
    rng = np.random.default_rng([KINDS.index(kind), DTYPES.index(dtype)])
    found: Counter[bool] = Counter()
    for _ in range(15):
        trial = make_trial(rng, kind, dtype)
        report = audit_accumulation(trial.accumulated, trial.parts, counts=trial.counts)
        assert fits(report, trial), report
        found[report.verdict is trial.verdict] += 1
    if dtype in DTYPES[:2] and kind not in {"alike", "of all lengths"}:
        assert found[False] == 0  # with digits to spare, nothing is ambiguous
    assert found[True] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_on_sketches_neither(kind: str) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    for seed in range(12):
        trial = make_trial(rng, kind, DTYPES[seed % 4])
        report = audit_accumulation(
            sketch(trial.accumulated, seed=seed),
            [sketch(part, seed=seed) for part in trial.parts],
            counts=trial.counts,
        )
        assert fits(report, trial), report


# Tolerances


def parts_and_mean(
    K: int, dtype: np.dtype[np.floating]
) -> tuple[list[npt.NDArray[np.floating]], npt.NDArray[np.float64], npt.NDArray[np.floating]]:
    parts = list(np.random.default_rng(0).standard_normal((K, 20_000)).astype(dtype))
    counts = np.resize([1.0, 2.0, 3.0], K)
    return parts, counts, accumulate(counts / counts.sum(), parts)


@pytest.mark.parametrize("K", [2, 8, 32])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
def test_plain_sums_in_every_dtype_are_well_inside_the_tolerance(
    K: int, dtype: np.dtype[np.floating]
) -> None:
    parts, counts, A = parts_and_mean(K, dtype)
    report = audit_accumulation(A, parts, counts=counts)
    assert report.verdict is Verdict.EXACT
    assert report.outside is not None
    assert report.tolerated is not None
    assert report.outside < report.tolerated / 3
    errors = np.abs(np.array(report.weights, float) - counts / counts.sum())
    assert np.all(errors < UNITS[dtype.name] * counts / counts.sum() + 1e-9)


@pytest.mark.parametrize(
    ("dtype", "unseen", "seen"),
    [
        (np.float64, 3e-8, 3e-7),
        (np.float32, 5e-7, 1e-5),
        (np.float16, 1e-3, 3e-2),
        (BFLOAT16, 1e-2, 0.2),
    ],
)
def test_noise_within_rounding_is_passed_over_and_more_is_not(
    dtype: npt.DTypeLike, unseen: float, seen: float
) -> None:
    """Single precision allows for the rounding of a deep network, which is near 5e-7."""
    parts, counts, A = parts_and_mean(4, np.dtype(dtype))  # type: ignore[arg-type]
    size = sum(
        c / counts.sum() * np.linalg.norm(p.astype(float))
        for c, p in zip(counts, parts, strict=True)
    )
    noise = np.random.default_rng(1).standard_normal(A.shape)
    noise *= size / np.linalg.norm(noise)
    wide = A.astype(np.float64)
    small, large = (wide + share * noise for share in (unseen, seen))
    arithmetic = np.dtype(dtype).name
    report = audit_accumulation(small, parts, counts=counts, arithmetic=arithmetic)
    assert report.verdict is Verdict.EXACT
    report = audit_accumulation(large, parts, counts=counts, arithmetic=arithmetic)
    assert report.verdict is Verdict.UNEXPLAINED


def test_half_precision_near_its_smallest_number_rounds_coarsely() -> None:
    parts, counts, _ = parts_and_mean(4, DTYPES[2])
    tiny: list[npt.NDArray[np.floating]] = [
        (1e-6 * part.astype(float)).astype(np.float16) for part in parts
    ]
    report = audit_accumulation(accumulate(counts / counts.sum(), tiny), tiny, counts=counts)
    assert report.verdict in {Verdict.EXACT, Verdict.AMBIGUOUS}
    assert report.tolerated is not None
    assert report.tolerated > 10 * 8 * 2**-11


def test_a_parameter_s_rounding_is_not_taken_for_a_fault() -> None:
    """A bias before a normalization has no gradient but rounding, another on each run."""
    rng = np.random.default_rng(0)

    def parts(noise: float) -> list[dict[str, npt.NDArray[np.float32]]]:
        weights = np.random.default_rng(1).standard_normal((4, 5000)).astype(np.float32)
        return [
            {"w": w, "b": (noise * rng.standard_normal(50)).astype(np.float32)} for w in weights
        ]

    def mean(of: list[dict[str, npt.NDArray[np.float32]]]) -> dict[str, npt.NDArray[np.float32]]:
        return {
            name: np.sum([np.float32(c / 10) * p[name] for c, p in enumerate(of, 1)], axis=0)
            for name in ("w", "b")
        }

    counts = [1, 2, 3, 4]
    first, second = parts(1e-8), parts(1e-8)
    assert audit_accumulation(mean(first), second, counts=counts).verdict is Verdict.EXACT
    first, second = parts(1e-2), parts(1e-2)
    report = audit_accumulation(mean(first), second, counts=counts, arithmetic="float32")
    assert report.verdict is Verdict.UNEXPLAINED


def test_a_parameter_s_own_rounding_in_a_deep_network_is_passed_over() -> None:
    """Some parameters round a few times worse than the whole: seen in a 48-layer network."""
    rng = np.random.default_rng(0)
    parts = [
        {name: rng.standard_normal(n).astype(np.float32) for name, n in [("w", 9000), ("b", 90)]}
        for _ in range(4)
    ]
    A = {name: np.mean([part[name] for part in parts], axis=0) for name in ("w", "b")}
    noise = rng.standard_normal(90)
    size = np.mean([np.linalg.norm(part["b"]) for part in parts]) / np.linalg.norm(noise)
    for share, verdict in [(6e-6, Verdict.EXACT), (2e-4, Verdict.UNEXPLAINED)]:
        rough = {**A, "b": (A["b"] + share * size * noise).astype(np.float32)}
        report = audit_accumulation(rough, parts, counts=[1, 1, 1, 1], arithmetic="float32")
        assert report.verdict is verdict
