"""One tensor of NumPy, PyTorch, JAX, TensorFlow or MLX, as a flat NumPy array."""

import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating]

_TYPES = {"float64", "float32", "float16", "bfloat16"}


@dataclass(frozen=True)
class Tensor:
    """Flat values, the shape they had, the dtype they came in, and where they lie if writable.

    A parameter that has no gradient (None) is not `present`, and counts as zero.
    """

    flat: Values
    shape: tuple[int, ...]
    dtype: str
    address: int | None = None
    present: bool = True

    def copy(self) -> "Tensor":
        """Return the same values in memory of their own."""
        return replace(self, flat=self.flat.copy(), address=None)


def to_tensor(place: str, leaf: object) -> Tensor:
    """Read one array; `place` is how an error names it.

    Raises:
        TypeError: `leaf` is not an array, is a shard of one, or is not floating-point.
    """
    if isinstance(leaf, Tensor):
        return leaf
    if leaf is None:
        return Tensor(np.zeros(0), (), "float64", present=False)
    array = _read(place, leaf)
    dtype = _dtype_name(leaf, array)
    if dtype not in _TYPES:
        raise TypeError(
            f"{place} must be of dtype float64, float32, float16 or bfloat16, not {dtype}"
        )
    array = _widened(array)
    return Tensor(array.ravel(), array.shape, dtype, _address(leaf))


def widen_bfloat16(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Return bfloat16 numbers, given as their 16 bits, in float32, of which they are the top half.

    >>> import numpy as np
    >>> from gradexplain.audit.read.tensors import widen_bfloat16
    >>> widen_bfloat16(np.array([0x3F80, 0xC040], np.uint16))
    array([ 1., -3.], dtype=float32)
    """
    wide = bits.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


def _read(place: str, leaf: object) -> npt.NDArray[Any]:  # noqa: PLR0911 - one per kind
    tensor: Any = leaf
    if hasattr(tensor, "full_tensor"):  # PyTorch's DTensor
        raise TypeError(
            f"{place} must be a whole tensor, not a shard ({type(leaf).__name__}): "
            "call .full_tensor(), or add up sketches of the shards"
        )
    if hasattr(tensor, "detach"):
        return _from_torch(tensor)
    if hasattr(tensor, "dense_shape") and hasattr(tensor, "indices"):
        return _from_slices(place, tensor)
    if type(leaf).__module__.startswith("mlx."):
        return _from_mlx(tensor)
    if hasattr(tensor, "numpy"):
        return np.asarray(tensor.numpy())
    if isinstance(leaf, float | int) and not isinstance(leaf, bool):
        return np.asarray(float(leaf))
    if hasattr(tensor, "__array__"):
        return np.asarray(tensor)
    if hasattr(tensor, "__dlpack__"):
        return np.from_dlpack(tensor)
    raise TypeError(f"{place} must be an array, not {type(leaf).__name__}")


def _from_torch(tensor: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - known by what it can do
    tensor = tensor.detach()
    if tensor.is_sparse:
        tensor = tensor.to_dense()
    if str(tensor.dtype) == "torch.bfloat16":  # NumPy has none
        tensor = tensor.float()
    return np.asarray(tensor.cpu().numpy())


def _from_slices(place: str, slices: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - as above
    """Return TensorFlow's rows of an embedding, some more than once, in the array they are of."""
    rows = _widened(_read(place, slices.values))
    dense = np.zeros(tuple(int(n) for n in np.asarray(slices.dense_shape)), rows.dtype)
    np.add.at(dense, np.asarray(slices.indices), rows)
    return dense


def _from_mlx(tensor: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - as above
    mlx: Any = sys.modules[type(tensor).__module__]
    if str(tensor.dtype).endswith("bfloat16"):  # NumPy has none
        tensor = tensor.astype(mlx.float32)
    return np.array(tensor)


def _dtype_name(leaf: object, array: npt.NDArray[Any]) -> str:
    """Return the dtype that the numbers were computed in, which `array` may have widened."""
    return "bfloat16" if "bfloat16" in str(getattr(leaf, "dtype", None)) else array.dtype.name


def _widened(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return widen_bfloat16(array.view(np.uint16)) if array.dtype.name == "bfloat16" else array


def _address(leaf: object) -> int | None:
    """Return where writable numbers begin: PyTorch's on any device, NumPy's unless read-only."""
    tensor: Any = leaf
    if hasattr(tensor, "data_ptr"):
        return int(tensor.data_ptr()) or None
    if isinstance(leaf, np.ndarray) and leaf.flags.writeable and leaf.size:
        return int(leaf.__array_interface__["data"][0])
    return None
