"""A sketch number by number, against the same worked out in whole numbers."""

import hashlib
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gradexplain import sketch

WHOLE = 2**64 - 1


def key_of(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")


def sign_of(key: int, row: int) -> int:
    """Return splitmix64's top bit, as a sign (its last shift leaves that bit alone)."""
    mixed = (key + (row + 1) * 0x9E3779B97F4A7C15) & WHOLE
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & WHOLE
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & WHOLE
    return -1 if mixed >> 63 else 1


def by_hand(values: npt.NDArray[Any], name: str, size: int, seed: int, at: int) -> list[float]:
    key, total = key_of(seed, name), [0.0] * size
    for index, value in enumerate(values):
        row, column = divmod(at + index + key % size, size)
        total[column] += sign_of(key, row) * float(value)
    return total


@pytest.mark.parametrize(("size", "seed", "at"), [(7, 0, 0), (41, 3, 12_345), (1, 1, 5)])
def test_each_number_has_the_place_and_the_sign_of_the_definition(
    size: int, seed: int, at: int
) -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    found = sketch({"w": values}, size=size, seed=seed, offsets={"w": at}).values
    assert found == pytest.approx(by_hand(values, "w", size, seed, at), abs=1e-11)


def test_a_number_is_a_shard_of_itself() -> None:
    one = {"scale": np.float64(2.5)}
    assert np.array_equal(sketch(one, offsets={"scale": ((), ())}).values, sketch(one).values)
    assert np.abs(sketch(one).values).sum() == 2.5


@pytest.mark.parametrize("corner", [(0, 4), (3, 0)])
def test_an_empty_shard_adds_nothing(corner: tuple[int, int]) -> None:
    shape = (3 - corner[0], 4 - corner[1])
    found = sketch({"w": np.zeros(shape), "b": np.ones(1)}, offsets={"w": (corner, (3, 4))})
    assert np.array_equal(found.values, sketch({"b": np.ones(1)}).values)
    assert found.size == 1


def test_a_shard_without_gradient_adds_nothing_wherever_it_lies() -> None:
    found = sketch({"w": None, "b": np.ones(1)}, offsets={"w": ((2, 0), (3, 4))})
    assert np.array_equal(found.values, sketch({"b": np.ones(1)}).values)


@pytest.mark.bad_input
def test_an_empty_shard_must_lie_in_the_whole_too() -> None:
    message = (
        "offsets['w'] must place a shard of shape (0, 4) inside the whole, not at (4, 0) in (3, 4)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        sketch({"w": np.zeros((0, 4))}, offsets={"w": ((4, 0), (3, 4))})
