"""Stand-ins for the frameworks' arrays: what each can do, and what it refuses, as they do."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt


class Torch:
    """As a torch.Tensor that requires a gradient: NumPy may not touch it before detach()."""

    is_sparse = False

    def __init__(
        self, values: npt.NDArray[Any], dtype: str = "float32", device: str = "cpu"
    ) -> None:
        self.values, self.device, self.free = values, device, False
        self.dtype = f"torch.{dtype}"

    def detach(self) -> "Torch":
        copy = Torch(self.values, self.dtype.removeprefix("torch."), self.device)
        copy.free = True
        return copy

    def cpu(self) -> "Torch":
        self.device = "cpu"
        return self

    def float(self) -> "Torch":
        wide = Torch(self.values.astype(np.float32), "float32", self.device)
        wide.free = self.free
        return wide

    def data_ptr(self) -> int:
        return int(self.values.__array_interface__["data"][0])

    def numpy(self) -> npt.NDArray[Any]:
        if not self.free or self.device != "cpu" or self.dtype == "torch.bfloat16":
            raise TypeError("can't convert to numpy")
        return self.values

    def __array__(self, *_: object) -> npt.NDArray[Any]:
        raise AssertionError("must be detached")


class SparseTorch(Torch):
    """As torch.sparse_coo: rows of an embedding."""

    is_sparse = True

    def to_dense(self) -> Torch:
        return self

    def detach(self) -> "SparseTorch":
        copy = SparseTorch(self.values)
        copy.free = True
        return copy


class Jax:
    """As a jax.Array: it has __array__, and its bfloat16 is ml_dtypes'."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.values, self.dtype = values, values.dtype

    def __array__(self, *_: object, **__: object) -> npt.NDArray[Any]:
        return self.values


class TensorFlow:
    """As an EagerTensor."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.values, self.dtype = values, SimpleNamespace(name=values.dtype.name)

    def numpy(self) -> npt.NDArray[Any]:
        return self.values


class Slices:
    """As TensorFlow's IndexedSlices: an embedding's rows, the same one perhaps twice."""

    def __init__(self, whole: npt.NDArray[Any]) -> None:
        whole = np.atleast_2d(whole)
        half = (whole / 2).astype(whole.dtype)
        self.values = TensorFlow(np.concatenate([half, half]))
        self.indices = TensorFlow(np.tile(np.arange(len(whole)), 2)).numpy()
        self.dense_shape, self.dtype = np.array(whole.shape), self.values.dtype


class Mlx:
    """As an mlx.core.array: NumPy reads it, but for bfloat16."""

    __module__ = "mlx.core"

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.values, self.dtype = values, f"mlx.core.{values.dtype.name}"

    def astype(self, dtype: npt.DTypeLike) -> "Mlx":
        return Mlx(self.values.astype(dtype))

    def __array__(self, *_: object, **__: object) -> npt.NDArray[Any]:
        if self.dtype.endswith("bfloat16"):
            raise RuntimeError("Item size 2 for PEP 3118 buffer format string B")
        return self.values


class Dlpack:
    """As any array that has nothing but __dlpack__."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.values = values

    def __dlpack__(self, **options: Any) -> object:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()
