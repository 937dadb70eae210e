"""The function at the mean against the mean of the function, for one batch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gradexplain.arrays import Array, check_array, check_same_dtype


@dataclass(frozen=True)
class MeanComparison:
    """What `compare_means` found; `second_order` is None where f″ was not given."""

    value_at_mean: float
    mean_of_values: float
    gap: float
    second_order: float | None


def compare_means(
    f: Callable[[Array], Array],
    x: Float[Array, " N"],
    second_derivative: Callable[[Array], Array] | None = None,
) -> MeanComparison:
    """Compare f(E[x]) with E[f(x)]: they agree for every batch x only if f is affine.

    The gap is E[f(x)] − f(E[x]).

    Args:
        f: elementwise, takes and returns an array of shape (N,).
        x: the batch, (N,), float32 or float64.
        second_derivative: f″, if known. The gap is then also predicted to second order, as
            ½ f″(E[x]) Var(x): Taylor's formula at the mean, averaged.

    Raises:
        TypeError: x is not a NumPy array of float32 or float64.
        ValueError: x is not of shape (N,), is empty or not finite, or f changes its shape.

    >>> import numpy as np
    >>> from gradexplain import compare_means, sigmoid
    >>> x = np.array([0.0, 1.0])
    >>> found = compare_means(sigmoid.derivative, x, sigmoid.third_derivative)
    >>> print(f"{found.mean_of_values:.4f} against {found.value_at_mean:.4f}")
    0.2233 against 0.2350
    >>> print(f"gap {found.gap:.5f}, to second order {found.second_order:.5f}")
    gap -0.01170, to second order -0.01204
    """
    check_array("x", x, ("N",))
    center = x.mean(keepdims=True)
    value_at_mean = _apply("f", f, center)
    mean_of_values = _apply("f", f, x)
    second_order = None
    if second_derivative is not None:
        second_order = _apply("second_derivative", second_derivative, center) * covariance(x, x) / 2
    return MeanComparison(
        value_at_mean, mean_of_values, mean_of_values - value_at_mean, second_order
    )


def covariance(u: Float[Array, " N"], v: Float[Array, " N"]) -> float:
    """Return the population covariance E[uv] − E[u] E[v] of a batch, divided by N and not N − 1.

    Raises:
        TypeError: an argument is not a NumPy array of float32 or float64, or their dtypes differ.
        ValueError: their shapes are not both (N,), or one is empty or not finite.

    >>> import numpy as np
    >>> from gradexplain import covariance
    >>> covariance(np.array([0.0, 1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 2.0, 3.0]))
    1.75
    """
    check_array("u", u, ("N",))
    check_array("v", v, u.shape)
    check_same_dtype("v", v, "u", u)
    return float(np.mean((u - u.mean()) * (v - v.mean())))


def _apply(name: str, f: Callable[[Array], Array], x: Array) -> float:
    values = f(x)
    if np.shape(values) != x.shape:
        raise ValueError(
            f"{name} must keep the shape {x.shape} of its input, not return {np.shape(values)}"
        )
    return float(np.mean(values))
