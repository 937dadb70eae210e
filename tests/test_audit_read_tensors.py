"""One array of any framework: what is read of it, and what is refused."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from audits import Gradient, random_parts, verdicts_through
from frameworks import Dlpack, Jax, Mlx, Slices, SparseTorch, TensorFlow, Torch

from gradexplain import Verdict, sketch
from gradexplain.audit.read.tensors import to_tensor

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)
PARTS = random_parts(dtype=np.float32)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


@pytest.mark.parametrize("kind", [Torch, SparseTorch, Jax, TensorFlow, Slices, Dlpack, Mlx])
def test_arrays_are_known_by_what_they_can_do(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlx.core", SimpleNamespace(float32=np.float32))

    def wrap(gradient: Gradient) -> dict[str, object]:
        return {name: kind(np.asarray(value)) for name, value in gradient.items() if value.ndim}

    assert verdicts_through(wrap) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]


def test_a_tensor_on_another_device_is_fetched() -> None:
    def wrap(gradient: Gradient) -> dict[str, Torch]:
        return {n: Torch(np.asarray(v), device="cuda") for n, v in gradient.items()}

    assert verdicts_through(wrap) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda values: values,
        Jax,
        TensorFlow,
        Mlx,
        lambda values: Torch(values, "bfloat16"),
    ],
    ids=["ml_dtypes", "jax", "tensorflow", "mlx", "torch"],
)
def test_bfloat16_is_widened_exactly_and_its_tolerance_is_its_own(
    wrap: Callable[[npt.NDArray[Any]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlx.core", SimpleNamespace(float32=np.float32))
    values = np.array([1.0, -2.5, 3e-39, 3e38, 1 / 3], np.float32).astype(BFLOAT16)
    tensor = to_tensor("accumulated", wrap(values))
    assert tensor.dtype == "bfloat16"
    assert tensor.flat.dtype == np.float32
    assert tensor.flat.tolist() == values.astype(np.float32).tolist()


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
    assert sketch({"w": np.ones(3), "frozen": None}).numbers == 3


def test_a_copy_is_the_same_in_memory_of_its_own() -> None:
    tensor = to_tensor("gradient", ROWS)
    copy = tensor.copy()
    assert copy.flat.tolist() == tensor.flat.tolist()
    assert (copy.shape, copy.dtype, copy.present) == ((3, 2), "float32", True)
    assert tensor.address is not None
    assert copy.address is None
    assert not np.shares_memory(copy.flat, ROWS)
    assert to_tensor("gradient", None).copy().present is False


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


@pytest.mark.bad_input
def test_a_shard_is_refused_with_what_to_do() -> None:
    class DTensor(Torch):
        def full_tensor(self) -> Torch:
            raise AssertionError("that would talk to other workers")

    message = (
        "accumulated['w'] must be a whole tensor, not a shard (DTensor): "
        "call .full_tensor(), or add up sketches of the shards"
    )
    with pytest.raises(TypeError) as caught:
        to_tensor("accumulated['w']", DTensor(ROWS))
    assert str(caught.value) == message
