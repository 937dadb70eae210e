"""Sketches: they add up over shards wherever these lie, and keep the weights."""

import dataclasses
import hashlib
import re
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from audits import COUNTS, RIGHT, random_parts, weighted
from support.closeness import assert_close

from gradexplain import Sketch, Verdict, audit_accumulation, sketch

# Number by number, against the same worked out in whole numbers


WHOLE = 2**64 - 1


def key_of(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")


def sign_of(key: int, row: int) -> int:
    """Return splitmix64's top bit, as a sign (its last shift leaves that bit alone)."""
    mixed = (key + (row + 1) * 0x9E3779B97F4A7C15) & WHOLE
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & WHOLE
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & WHOLE
    return -1 if mixed >> 63 else 1


def by_hand(values: npt.NDArray[Any], name: str, length: int, seed: int, at: int) -> list[float]:
    key, total = key_of(seed, name), [0.0] * length
    for index, value in enumerate(values):
        row, column = divmod(at + index + key % length, length)
        total[column] += sign_of(key, row) * float(value)
    return total


@pytest.mark.parametrize(("length", "seed", "at"), [(7, 0, 0), (41, 3, 12_345), (1, 1, 5)])
def test_each_number_has_the_place_and_the_sign_of_the_definition(
    length: int, seed: int, at: int
) -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    found = sketch({"w": values}, length=length, seed=seed, offsets={"w": at}).values
    assert found == pytest.approx(by_hand(values, "w", length, seed, at), abs=1e-11)


def test_a_number_is_a_shard_of_itself() -> None:
    one = {"scale": np.float64(2.5)}
    assert np.array_equal(sketch(one, offsets={"scale": ((), ())}).values, sketch(one).values)
    assert np.abs(sketch(one).values).sum() == 2.5


@pytest.mark.parametrize("corner", [(0, 4), (3, 0)])
def test_an_empty_shard_adds_nothing(corner: tuple[int, int]) -> None:
    shape = (3 - corner[0], 4 - corner[1])
    found = sketch({"w": np.zeros(shape), "b": np.ones(1)}, offsets={"w": (corner, (3, 4))})
    assert np.array_equal(found.values, sketch({"b": np.ones(1)}).values)
    assert found.numbers == 1


def test_a_shard_without_gradient_adds_nothing_wherever_it_lies() -> None:
    found = sketch({"w": None, "b": np.ones(1)}, offsets={"w": ((2, 0), (3, 4))})
    assert np.array_equal(found.values, sketch({"b": np.ones(1)}).values)


# A linear map


def values(gradient: object, **options: Any) -> npt.NDArray[np.float64]:
    return sketch(gradient, **options).values


def by_the_definition(
    gradient: dict[str, npt.NDArray[np.float64]], length: int
) -> npt.NDArray[np.float64]:
    """Find each coordinate's place and sign by sketching it by itself, then add all up."""
    total = np.zeros(length)
    for name, array in gradient.items():
        for index in range(array.size):
            one = np.zeros(array.size)
            one[index] = 1.0
            total += array.ravel()[index] * values({name: one}, length=length)
    return total


def test_every_coordinate_keeps_its_size_and_has_one_place() -> None:
    for index in [0, 1, 40, 41, 42, 81, 99]:
        one = np.zeros(100)
        one[index] = 2.5
        found = values(one, length=41)
        assert np.count_nonzero(found) == 1
        assert np.abs(found).max() == 2.5


def test_a_sketch_is_the_sum_of_its_coordinates_sketches() -> None:
    rng = np.random.default_rng(0)
    gradient = {"w": rng.standard_normal((7, 20)), "b": rng.standard_normal(5)}
    assert_close(values(gradient, length=13), by_the_definition(gradient, 13), 1e-14)


def test_it_is_linear_and_sketches_add_up() -> None:
    one, other = random_parts(2)
    both = {name: one[name] + other[name] for name in one}
    assert_close((sketch(one) + sketch(other)).values, values(both), 1e-13)
    assert_close(
        sum([sketch(one), sketch(other)], start=sketch({"w": np.zeros(1)})).values,
        values(both),
        1e-13,
    )
    assert_close(sum([sketch(one)]).values, values(one))  # type: ignore[union-attr]


def test_seeds_and_names_choose_the_signs_and_the_places() -> None:
    v = np.random.default_rng(0).standard_normal(10_000)
    assert np.array_equal(values({"w": v}), values({"w": v}))
    for other in (values({"w": v}, seed=1), values({"b": v})):
        cosine = other @ values({"w": v}) / np.linalg.norm(other) / np.linalg.norm(values({"w": v}))
        assert abs(cosine) < 0.1


def test_signs_are_even_and_do_not_repeat() -> None:
    rows = values({"w": np.ones(1_000_000)}, length=1) / 1000
    assert abs(rows[0]) < 4  # the sum of a million signs: four standard deviations
    signs = np.array([values({"w": np.ones(1)}, length=1, offsets={"w": k})[0] for k in range(256)])
    assert set(signs) == {-1.0, 1.0}
    for shift in range(1, 128):
        assert abs(signs[shift:] @ signs[:-shift]) < 6 * 16  # no period


def test_lengths_are_kept_on_average() -> None:
    v = np.random.default_rng(0).standard_normal(20_000)
    ratios = [np.sum(values(v, length=101, seed=seed) ** 2) / np.sum(v**2) for seed in range(60)]
    # The spread of one is about √(2/101) = 0.14, of their mean 0.018.
    assert np.mean(ratios) == pytest.approx(1, abs=0.07)
    assert np.std(ratios) == pytest.approx((2 / 101) ** 0.5, rel=0.4)


def test_flat_shards_add_up_wherever_they_are_cut() -> None:
    v = np.random.default_rng(0).standard_normal(30_000).astype(np.float32)
    whole = values({"w": v})
    for cuts in [[1], [4093], [4092, 4094], [10_000, 20_000], [3, 5, 8186, 29_999]]:
        edges = [0, *cuts, len(v)]
        shards = [sketch({"w": v[a:b]}, offsets={"w": a}) for a, b in pairwise(edges)]
        assert_close(sum(shards[1:], start=shards[0]).values, whole, 1e-13)


def test_shards_cut_across_any_axis_add_up() -> None:
    w = np.random.default_rng(0).standard_normal((12, 10, 9))
    whole = values({"w": w}, length=37)
    for axis in range(3):
        total, at = np.zeros(37), 0
        for shard in np.array_split(w, [2, 5], axis=axis):
            corner = tuple(at if a == axis else 0 for a in range(3))
            total += values({"w": shard}, length=37, offsets={"w": (corner, w.shape)})
            at += shard.shape[axis]
        assert_close(total, whole, 1e-13)
    wrong = values({"w": w[:, :5]}, length=37) + values({"w": w[:, 5:]}, length=37)
    assert np.linalg.norm(wrong - whole) > 0.1 * np.linalg.norm(whole)


def test_shards_that_hold_a_and_minus_a_don_t_cancel() -> None:
    """Without global offsets they would: each shard's signs would start anew."""
    a = np.random.default_rng(0).standard_normal(8186)
    shards = sketch({"w": a}), sketch({"w": -a}, offsets={"w": len(a)})
    assert np.linalg.norm((shards[0] + shards[1]).values) > np.linalg.norm(a)
    assert np.linalg.norm((sketch({"w": a}) + sketch({"w": -a})).values) == 0


def test_parameters_of_a_pipeline_add_up_over_workers() -> None:
    part = random_parts(1)[0]
    stages = [{"w": part["w"]}, {"b": part["b"], "scale": part["scale"]}]
    total = sketch(stages[0]) + sketch(stages[1])
    assert_close(total.values, values(part), 1e-13)
    assert total.numbers == 641
    reduced = dataclasses.replace(sketch(stages[0]), values=total.values)
    assert_close(reduced.values, values(part), 1e-13)


def test_a_sharded_model_is_audited_from_its_workers_sketches() -> None:
    parts = random_parts(dtype=np.float32)

    def over_workers(gradient: dict[str, Any]) -> Sketch:
        rows = gradient["w"]
        workers = [
            sketch({"w": rows[:10], "b": gradient["b"], "scale": gradient["scale"]}),
            sketch({"w": rows[10:]}, offsets={"w": ((10, 0), (30, 20))}),
        ]
        return workers[0] + workers[1]

    for weights, verdict in [(RIGHT, Verdict.EXACT), ([0.25] * 4, Verdict.MEAN_OF_MEANS)]:
        report = audit_accumulation(
            over_workers(weighted(np.asarray(weights), parts)),
            [over_workers(p) for p in parts],
            counts=COUNTS,
        )
        assert report.verdict is verdict
        assert str(report).splitlines()[0].endswith("audit of 4 parts, 641 numbers each, sketched")


def sparse_parts(seed: int, K: int, kept: float) -> list[npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    dense = rng.standard_normal((K, 20_000), np.float32)
    return list(np.where(rng.random(dense.shape) < kept, dense, 0).astype(np.float32))


@pytest.mark.parametrize("kept", [1.0, 1e-2, 2e-3])
def test_weights_are_those_of_the_full_gradients_for_every_seed(kept: float) -> None:
    """Sparse ones too, as an embedding's: 40 numbers of 20,000 in the last case."""
    for seed in range(12):
        parts = sparse_parts(seed, 6, kept)
        weights = np.random.default_rng(seed).dirichlet(np.ones(6))
        A = sum(np.float32(w) * part for w, part in zip(weights, parts, strict=True))
        counts = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        full = audit_accumulation(A, parts, counts=counts)
        seen = audit_accumulation(
            sketch(A, seed=seed), [sketch(part, seed=seed) for part in parts], counts=counts
        )
        assert seen.verdict is full.verdict is Verdict.REWEIGHTED
        assert seen.weights == pytest.approx(full.weights, abs=3e-7)
        assert seen.weights == pytest.approx(weights.tolist(), abs=3e-7)


def test_every_seed_sees_what_lies_outside_the_span() -> None:
    parts = sparse_parts(0, 4, 1.0)
    A = sum(np.float32(w) * part for w, part in zip(RIGHT, parts, strict=True))
    stray = sparse_parts(1, 1, 1e-3)[0]
    A = A + np.float32(1e-3 * np.linalg.norm(A) / np.linalg.norm(stray)) * stray
    shares = []
    for seed in range(20):
        report = audit_accumulation(
            sketch(A, seed=seed),
            [sketch(part, seed=seed) for part in parts],
            counts=COUNTS,
            arithmetic="float32",
        )
        assert report.verdict is Verdict.UNEXPLAINED
        shares.append(report.outside or 0.0)
    full = audit_accumulation(A, parts, counts=COUNTS, arithmetic="float32").outside
    assert np.mean(shares) == pytest.approx(full, rel=0.1)


def test_another_length_tells_whether_parts_are_parallel_or_only_look_it() -> None:
    """Two parts of one number each, 41 places apart: with rows of 41 they fall on one place."""
    parts = list(np.random.default_rng(0).standard_normal((4, 500)))
    for k in range(2):
        parts[k] = np.zeros(500)
        parts[k][3 + 41 * k] = 1
    A = 0.1 * parts[0] + 0.4 * parts[1] + 0.2 * parts[2] + 0.3 * parts[3]
    for length, verdict in [(41, Verdict.AMBIGUOUS), (43, Verdict.REWEIGHTED)]:
        sketches = [sketch(part, length=length) for part in parts]
        report = audit_accumulation(sketch(A, length=length), sketches, counts=COUNTS)
        assert report.verdict is verdict


def test_dtypes_are_remembered() -> None:
    half = {name: value.astype(np.float16) for name, value in random_parts(1)[0].items()}
    assert sketch(half).dtype == "float16"
    assert (sketch(random_parts(1)[0]) + sketch(half)).dtype == "float16"
    parts = [{n: v.astype(np.float16) for n, v in p.items()} for p in random_parts()]
    report = audit_accumulation(
        sketch(weighted(RIGHT, parts)), [sketch(part) for part in parts], counts=COUNTS
    )
    assert report.tolerated == pytest.approx(8 * 2**-11, rel=1e-2)
    assert report.verdict is Verdict.EXACT


def test_nothing_that_is_passed_is_changed() -> None:
    parts = [sketch(part) for part in random_parts()]
    before = [part.values.copy() for part in parts]
    audit_accumulation(parts[0], parts[1:], counts=[1, 2, 3], expect_factor=2)
    assert all(np.array_equal(a, b.values) for a, b in zip(before, parts, strict=True))


def refused(error: type[Exception], message: str, call: Any, *args: Any, **options: Any) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call(*args, **options)


@pytest.mark.bad_input
def test_bad_input_is_refused_by_name() -> None:
    v = np.ones(10)
    refused(ValueError, "length must be at least 1, not 0", sketch, v, length=0)
    refused(
        ValueError,
        "offsets must name parameters of gradient, not 'b'",
        sketch,
        {"w": v},
        offsets={"b": 3},
    )
    refused(
        ValueError, "offsets['w'] must be at least 0, not -1", sketch, {"w": v}, offsets={"w": -1}
    )
    for corner, whole in [((5,), (12,)), ((-1,), (20,)), ((0, 0), (20, 20)), ((0,), (20, 20))]:
        message = (
            f"offsets['w'] must place a shard of shape (10,) inside the whole, "
            f"not at {corner} in {whole}"
        )
        refused(ValueError, message, sketch, {"w": v}, offsets={"w": (corner, whole)})
    with np.errstate(all="raise"):
        flaw = np.array([1.0, np.nan])
        refused(
            ValueError,
            "gradient must be finite, but gradient['w'] is nan at [1]",
            sketch,
            {"w": flaw},
        )
    refused(TypeError, "gradient must be an array, not object", sketch, object())


@pytest.mark.bad_input
@pytest.mark.parametrize("length", [4093.0, "a", None, True])
def test_a_length_is_a_whole_number(length: Any) -> None:
    message = f"length must be a whole number, not {length!r}"
    refused(TypeError, message, sketch, np.ones(10), length=length)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "offset", [5.0, "ab", None, (1, 2), (1, 2, 3), ((1,), (2,), (3,)), ((1.0,), (20,))]
)
def test_an_offset_is_a_whole_number_or_a_corner_and_a_shape(offset: Any) -> None:
    message = (
        "offsets['w'] must be a whole number, or a corner and a shape as in "
        f"((0, 512), (4096, 1024)), not {offset!r}"
    )
    refused(TypeError, message, sketch, {"w": np.ones(10)}, offsets={"w": offset})


@pytest.mark.bad_input
@pytest.mark.parametrize("offsets", [5, 0, [1]])
def test_offsets_are_given_by_name(offsets: Any) -> None:
    message = f"offsets must be a dict keyed by name, not {type(offsets).__name__}"
    refused(TypeError, message, sketch, {"w": np.ones(10)}, offsets=offsets)


def test_whole_numbers_may_be_numpy_s() -> None:
    flat = {"w": np.ones(6)}
    found = sketch(flat, np.int64(41), offsets={"w": np.int64(5)})
    assert_close(found.values, sketch(flat, 41, offsets={"w": 5}).values)


def audit(A: object, parts: Any, counts: Any) -> object:
    return audit_accumulation(A, parts, counts=counts)


@pytest.mark.bad_input
def test_sketches_of_different_kinds_are_kept_apart() -> None:
    v = np.ones(10)
    one, other = sketch(v), sketch(v, seed=1)
    kinds = "seed 0 and length 4093 and seed 1 and length 4093"
    message = f"sketches must be of one kind to be added, not {kinds}"
    refused(ValueError, message, lambda: one + other)
    message = (
        "parts[1] must have seed 0 and length 4093, as the others have, not seed 0 and length 41"
    )
    refused(ValueError, message, audit, one, [one, sketch(v, length=41)], [1, 2])
    message = "parts[1] must be a sketch too, as parts[0] is"
    refused(TypeError, message, audit, one, [one, v], [1, 2])


@pytest.mark.bad_input
def test_an_empty_shard_must_lie_in_the_whole_too() -> None:
    message = (
        "offsets['w'] must place a shard of shape (0, 4) inside the whole, not at (4, 0) in (3, 4)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        sketch({"w": np.zeros((0, 4))}, offsets={"w": ((4, 0), (3, 4))})


@pytest.mark.parametrize("turned", [False, True])
def test_a_sum_is_as_coarse_as_the_coarsest_of_its_sketches_and_parameters(*, turned: bool) -> None:
    rng = np.random.default_rng(0)
    fine, coarse = (rng.standard_normal(50).astype(kind) for kind in (np.float32, np.float16))
    order = (coarse, fine) if turned else (fine, coarse)
    one, other = (sketch({"w": values}) for values in order)
    assert (one + other).dtype == "float16"
    assert sketch(dict(zip("ab", order, strict=True))).dtype == "float16"


@pytest.mark.parametrize("other", [1, 0.0, False])
def test_nothing_but_the_0_of_a_sum_may_stand_before_a_sketch(other: object) -> None:
    whole = sketch(np.ones(50))
    assert sum([whole]) is whole
    with pytest.raises(TypeError, match="unsupported operand"):
        other + whole
