"""One array of any framework: what is read of it, and what is refused."""

from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from test_audit_inputs import Jax, Slices, SparseTorch, Torch

from gradexplain import Verdict, audit_accumulation, sketch
from gradexplain.audit.tensors import to_tensor

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_a_tensor_is_flat_and_remembers_its_shape_and_dtype() -> None:
    for array in (ROWS, ROWS.T, ROWS[::2], np.float16(ROWS), np.float64(3)):
        tensor = to_tensor("gradient", array)
        assert tensor.flat.tolist() == array.ravel().tolist()
        assert tensor.flat.ndim == 1
        assert (tensor.shape, tensor.dtype, tensor.present) == (array.shape, array.dtype.name, True)


def test_a_parameter_without_gradient_has_no_numbers_and_the_finest_dtype() -> None:
    absent = to_tensor("gradient", None)
    assert (absent.flat.size, absent.shape, absent.dtype) == (0, (), "float64")
    assert absent.present is False
    assert sketch({"w": np.ones(3), "frozen": None}).dtype == "float64"
    assert sketch({"w": np.ones(3), "frozen": None}).size == 3


def test_a_copy_is_the_same_in_memory_of_its_own() -> None:
    tensor = to_tensor("gradient", ROWS)
    copy = tensor.copy()
    assert copy.flat.tolist() == tensor.flat.tolist()
    assert (copy.shape, copy.dtype, copy.present) == ((3, 2), "float32", True)
    assert tensor.address is not None
    assert copy.address is None
    assert not np.shares_memory(copy.flat, ROWS)
    assert to_tensor("gradient", None).copy().present is False


def test_a_generator_s_parameters_without_gradient_count_as_zero() -> None:
    rng = np.random.default_rng(0)
    parts: list[dict[str, Any]] = [
        {"w": rng.standard_normal(30), "b": rng.standard_normal(5) if k else None} for k in range(2)
    ]
    A = {"w": 0.1 * parts[0]["w"] + 0.9 * parts[1]["w"], "b": 0.9 * parts[1]["b"]}
    assert audit_accumulation(A, (part for part in parts), [1, 9]).verdict is Verdict.EXACT


def test_a_sparse_gradient_is_filled_up() -> None:
    class Coordinates(SparseTorch):
        def to_dense(self) -> Torch:
            dense = Torch(np.vstack([self.values, 0 * self.values]))
            dense.free = True
            return dense

        def detach(self) -> "Coordinates":
            return Coordinates(self.values)

    assert to_tensor("gradient", Coordinates(ROWS)).shape == (6, 2)


def test_rows_of_an_embedding_keep_their_dtype() -> None:
    for dtype, wide in [(np.float16, np.float16), (ml_dtypes.bfloat16, np.float32)]:
        tensor = to_tensor("gradient", Slices(ROWS.astype(dtype)))
        assert tensor.dtype == np.dtype(dtype).name
        assert tensor.flat.dtype == wide
        assert tensor.flat.tolist() == ROWS.ravel().tolist()


@pytest.mark.bad_input
def test_what_is_no_array_is_refused_by_name() -> None:
    class Sums:
        """As a sparse matrix of another package: indices, but no rows of a dense array."""

        indices = np.arange(3)
        values = ROWS

    for leaf, kind in [(Sums(), "Sums"), (SimpleNamespace(dense_shape=(3,)), "SimpleNamespace")]:
        with pytest.raises(TypeError, match=f"^accumulated must be an array, not {kind}$"):
            to_tensor("accumulated", leaf)
    broken = SimpleNamespace(dense_shape=(3, 2), indices=np.arange(3), values="rows")
    with pytest.raises(TypeError, match=r"^accumulated must be an array, not str$"):
        to_tensor("accumulated", broken)


def test_where_numbers_begin_is_known_if_they_can_be_overwritten() -> None:
    begin = ROWS.__array_interface__["data"][0]
    assert to_tensor("gradient", ROWS).address == begin
    assert to_tensor("gradient", Torch(ROWS)).address == begin
    fixed = ROWS.copy()
    fixed.setflags(write=False)
    for leaf in (fixed, np.zeros(0), Jax(ROWS), 1.0):
        assert to_tensor("gradient", leaf).address is None
