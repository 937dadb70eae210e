"""What `arrays` lets through; what it refuses is in test_bad_input."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradexplain.arrays import Array, check_array, check_same_dtype

WRONG_SHAPE = """
import numpy as np
from jaxtyping import TypeCheckError, install_import_hook
with install_import_hook("gradexplain", "shapes.checked"):
    from gradexplain.means import covariance
    from gradexplain.network import Trace, backprop
for wrong in (
    lambda: covariance(np.ones(2), np.ones(3)),
    lambda: Trace(None, np.ones(2), (), (), ()),
    lambda: backprop(None, np.ones(2), np.ones(2), None),
):
    try:
        wrong()
    except TypeCheckError:
        print("refused")
"""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((), None),
        ((), ()),
        ((1,), ("N",)),
        ((3,), (3,)),
        ((2, 3), ("N", "d")),
        ((2, 3), ("N", 3)),
        ((2, 3), (2, "d")),
        ((2, 3), None),
        ((1, 2, 3), (1, 2, 3)),
    ],
)
def test_a_finite_float_array_of_the_shape_passes(
    size: tuple[int, ...], shape: tuple[int | str, ...] | None, dtype: type[np.floating]
) -> None:
    values = np.full(size, np.finfo(dtype).max, dtype)
    kept = values.copy()
    check_array("v", values, shape)
    check_array("v", np.asarray(-values), shape)
    assert np.array_equal(values, kept)


def test_views_pass() -> None:
    check_array("v", np.arange(6.0).reshape(2, 3).T[::2], (2, 2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_dtype_passes_whatever_the_shapes(dtype: type[np.floating]) -> None:
    one: Array = np.ones(1, dtype)
    same: Array = np.ones((2, 2), dtype)
    check_same_dtype("v", one, "u", same)
    wide: Array = np.ones(1, np.float64 if dtype is np.float32 else np.float32)
    with pytest.raises(TypeError):
        check_same_dtype("v", wide, "u", same)


def test_shapes_in_signatures_are_checked_when_the_hook_is_in() -> None:
    """Else the run with --jaxtyping-packages would prove nothing about shapes."""
    done = subprocess.run(
        [sys.executable, "-c", WRONG_SHAPE],
        cwd=Path(__file__).parent,  # where shapes.py is
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["refused"] * 3
