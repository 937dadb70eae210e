"""The array type of the package, and the check that every array passes on its way in."""

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def check_array(name: str, value: object, shape: tuple[int | str, ...] | None = None) -> None:
    """Refuse what is not a finite float array of this shape; a name in `shape` is any size ≥ 1.

    Raises:
        TypeError: `value` is not a NumPy array, or not of dtype float32 or float64.
        ValueError: its shape differs, it is empty, or it holds NaN or infinity.
    """
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array of float32 or float64, not {type(value).__name__}"
        )
    if value.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be of dtype float32 or float64, not {value.dtype}")
    if shape is not None and not _fits(value.shape, shape):
        wanted = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must have shape ({wanted}), not {value.shape}")
    if value.size == 0:
        raise ValueError(f"{name} must not be empty, but its shape is {value.shape}")
    if found := not_finite(name, value):
        raise ValueError(f"{name} must be finite, but {found}")


def check_same_dtype(name: str, value: Array, other_name: str, other: Array) -> None:
    """Refuse a mix of float32 and float64, which NumPy would widen silently."""
    if value.dtype != other.dtype:
        raise TypeError(f"{name} must be {other.dtype} like {other_name}, not {value.dtype}")


def _fits(shape: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        isinstance(want, str) or size == want for size, want in zip(shape, wanted, strict=True)
    )


def not_finite(name: str, value: Array) -> str:
    """Say which number of an array is the first that is NaN or infinite; nothing if none is."""
    if math.isfinite(np.vdot(value, value)):  # one pass; where the sum itself overflows, look again
        return ""
    finite = np.isfinite(value)
    if finite.all():
        return ""
    where = tuple(int(i) for i in np.argwhere(~finite)[0])
    place = f"{name}[{', '.join(map(str, where))}]" if where else name
    return f"{place} is {value[where]}"
