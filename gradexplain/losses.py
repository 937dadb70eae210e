"""Losses per example, each with its derivative with respect to the output; the mean comes later."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gradexplain.activations import sigmoid, softplus
from gradexplain.arrays import Array, check_array, check_same_dtype

_Formula = Callable[[Array, Array], Array]
_Check = Callable[[Array], None]


@dataclass(frozen=True)
class Loss:
    """A loss ℓ(output, target) of one example, applied to a batch row by row.

    `output` is what the network returns, one example a row, (N, d); `target` has its shape.
    Nothing is averaged over the batch here.

    Raises:
        TypeError: an argument is not a NumPy array of float32 or float64, or their dtypes differ.
        ValueError: their shapes differ, one is empty or not finite, or the target lies outside
            the loss's domain.

    >>> import numpy as np
    >>> from gradexplain import squared_error
    >>> output, target = np.array([[1.0], [2.0]]), np.array([[1.0], [5.0]])
    >>> squared_error(output, target)
    array([0., 9.])
    >>> squared_error.derivative(output, target)
    array([[ 0.],
           [-6.]])
    """

    name: str
    # ℓ and ∂ℓ/∂output of arrays that were checked where they came in, and the check of a target.
    formula: _Formula
    slope: _Formula
    check_target: _Check

    def __call__(
        self, output: Float[Array, "N d"], target: Float[Array, "N d"]
    ) -> Float[Array, " N"]:
        """Return the loss of each example, (N,)."""
        self._check(output, target)
        return self.formula(output, target)

    def derivative(
        self, output: Float[Array, "N d"], target: Float[Array, "N d"]
    ) -> Float[Array, "N d"]:
        """Return ∂ℓ/∂output of each example, (N, d): the output delta of a linear last layer."""
        self._check(output, target)
        return self.slope(output, target)

    def _check(self, output: Array, target: Array) -> None:
        check_array("output", output, ("N", "d"))
        check_array("target", target, output.shape)
        check_same_dtype("target", target, "output", output)
        self.check_target(target)


def _any_target(_target: Array) -> None:
    pass


def _squared_error(output: Array, target: Array) -> Array:
    return ((target - output) ** 2).sum(axis=1)


def _squared_error_derivative(output: Array, target: Array) -> Array:
    return 2 * (output - target)


def _signed_error(output: Array, target: Array) -> Array:
    return (target - output).sum(axis=1)


def _signed_error_derivative(output: Array, _target: Array) -> Array:
    return -np.ones_like(output)


def _probabilities(target: Array) -> None:
    outside = (target < 0) | (target > 1)
    if outside.any():
        raise ValueError(f"target must lie in [0, 1] for this loss, not {target[outside][0]}")


def _logistic(output: Array, target: Array) -> Array:
    # −t log σ(o) − (1 − t) log σ(−o): the shorter softplus(o) − t o cancels for large o.
    return (target * softplus.formula(-output) + (1 - target) * softplus.formula(output)).sum(
        axis=1
    )


def _logistic_derivative(output: Array, target: Array) -> Array:
    return sigmoid.formula(output) - target


def _distributions(target: Array) -> None:
    _probabilities(target)
    sums = target.sum(axis=1)
    rounding = 4 * target.shape[1] * np.finfo(target.dtype).eps
    off = np.abs(sums - 1) > rounding
    if off.any():
        row = int(np.argmax(off))
        raise ValueError(
            f"target rows must sum to 1 for this loss, but row {row} sums to {sums[row]}"
        )


def _log_softmax(output: Array) -> Array:
    shifted = output - output.max(axis=1, keepdims=True)  # the largest is 0: no overflow
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _cross_entropy(output: Array, target: Array) -> Array:
    return -(target * _log_softmax(output)).sum(axis=1)


# softmax − target: true only where the target's row sums to 1, hence the check.
def _cross_entropy_derivative(output: Array, target: Array) -> Array:
    return np.exp(_log_softmax(output)) - target


#: Σ (target − output)², the squared error of one example; its mean over a batch is the MSE.
squared_error = Loss("squared error", _squared_error, _squared_error_derivative, _any_target)
#: Σ (target − output), signed: linear in the output, and without a minimum.
signed_error = Loss("signed error", _signed_error, _signed_error_derivative, _any_target)
#: Cross-entropy of σ(output) with targets in [0, 1], one or more independent ones a row.
logistic_loss = Loss("logistic loss", _logistic, _logistic_derivative, _probabilities)
#: Cross-entropy of softmax(output) with targets whose rows sum to 1.
softmax_cross_entropy = Loss(
    "softmax cross-entropy", _cross_entropy, _cross_entropy_derivative, _distributions
)
