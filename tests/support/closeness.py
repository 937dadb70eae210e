"""The comparisons of the engine's tests: the error allowed is a fraction of what is compared."""

import numpy as np
import numpy.typing as npt

from gradexplain import Gradient


def assert_close(actual: npt.ArrayLike, expected: npt.ArrayLike, tolerance: float = 1e-12) -> None:
    """Fail unless the shapes agree and ‖actual − expected‖ ≤ tolerance · ‖expected‖.

    Where zero is expected, nothing but zero passes.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, not {expected.shape}"
    error, size = (float(np.linalg.norm(v.ravel())) for v in (actual - expected, expected))
    assert error <= tolerance * size, f"off by {error} where {size} is expected:\n{actual}"


def assert_each_close(
    actual: npt.ArrayLike, expected: npt.ArrayLike, tolerance: float = 1e-12
) -> None:
    """As `assert_close`, but number by number: the small ones beside large ones count too."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, not {expected.shape}"
    wrong = ~(np.abs(actual - expected) <= tolerance * np.abs(expected))
    assert not wrong.any(), f"{actual[wrong]} where {expected[wrong]} is expected"


def assert_same_gradient(actual: Gradient, expected: Gradient, tolerance: float = 1e-12) -> None:
    """As `assert_close`, for each array of two gradients."""
    for a, e in zip(actual.weights, expected.weights, strict=True):
        assert_close(a, e, tolerance)
    for a, e in zip(actual.biases, expected.biases, strict=True):
        assert_close(a, e, tolerance)
