"""Activations, elementwise: each with its value and its first three derivatives."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gradexplain.arrays import Array, check_array

Formula = Callable[[Array], Array]


@dataclass(frozen=True)
class Activation:
    """An elementwise function a = f(z) with f′, f″ and f‴.

    Every method takes an array of any shape, float32 or float64, and returns one of the same
    shape and dtype. All are free of overflow and NaN at least for |z| ≤ 1000.

    Raises:
        TypeError: z is not a NumPy array of float32 or float64.
        ValueError: z is empty, or holds NaN or infinity.

    >>> import numpy as np
    >>> from gradexplain import sigmoid
    >>> z = np.array([0.0, 1.0])
    >>> sigmoid(z).round(5)
    array([0.5    , 0.73106])
    >>> sigmoid.derivative(z).round(5)
    array([0.25   , 0.19661])
    """

    name: str
    # f, f′, f″ and f‴ of an array with axes that was checked where it came in.
    formula: Formula
    slope: Formula
    bend: Formula
    third: Formula

    def __call__(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return f(z)."""
        return _checked(self.formula, z)

    def derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return the slope f′(z)."""
        return _checked(self.slope, z)

    def second_derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return f″(z), the bend."""
        return _checked(self.bend, z)

    def third_derivative(self, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return f‴(z), the bend of the slope."""
        return _checked(self.third, z)


def _checked(formula: Formula, z: Array) -> Array:
    check_array("z", z)
    # Of an array without axes NumPy would make a scalar.
    return formula(np.atleast_1d(z)).reshape(z.shape)


def _identity(z: Array) -> Array:
    return z.copy()


def _one(z: Array) -> Array:
    return np.ones_like(z)


def _zero(z: Array) -> Array:
    return np.zeros_like(z)


def _sigmoid(z: Array) -> Array:
    decay = np.exp(-np.abs(z))  # at most 1, so it cannot overflow
    return np.where(z >= 0, 1, decay) / (1 + decay)


# σ(z) σ(−z), the same on both sides: 1 − σ(z) would lose its digits where σ(z) rounds to 1.
def _sigmoid_first(z: Array) -> Array:
    decay = np.exp(-np.abs(z))
    return decay / (1 + decay) ** 2


def _sigmoid_second(z: Array) -> Array:
    return _sigmoid_first(z) * -np.tanh(z / 2)  # 1 − 2σ(z), which would cancel near 0


def _sigmoid_third(z: Array) -> Array:
    slope = _sigmoid_first(z)
    return slope * (1 - 6 * slope)


# tanh z = 2 σ(2z) − 1: its derivatives inherit the sigmoid's accuracy in the tails.
def _tanh_first(z: Array) -> Array:
    return 4 * _sigmoid_first(2 * z)


def _tanh_second(z: Array) -> Array:
    return 8 * _sigmoid_second(2 * z)


def _tanh_third(z: Array) -> Array:
    return 16 * _sigmoid_third(2 * z)


def _relu(z: Array) -> Array:
    return np.maximum(z, 0)


def _relu_first(z: Array) -> Array:
    return (z > 0).astype(z.dtype)


def _softplus(z: Array) -> Array:
    return np.logaddexp(0, z)


#: Powers of (y − k) / (y + k) in an approximation of (1 + 2y) exp(y²) erfc(y) for all y ≥ 0, with
#: k = 3.75: Shepherd and Laframboise, https://doi.org/10.1090/S0025-5718-1981-0595058-X
_TAIL = (
    1.2375126308378275,
    -0.14024059858554697,
    0.0035854154854644293,
    0.0822767384901452,
    -0.10880393014174886,
    0.09230432116037748,
    -0.05869339858963677,
    0.028362277418956406,
    -0.009746579558029276,
    0.0017556258528952954,
    0.0002937136655913448,
    -0.0002901540805408417,
    5.164909889268241e-05,
    2.238423915508223e-05,
    -1.1444146237700524e-05,
    -9.73559896736775e-07,
    1.751637648849062e-06,
    -5.7218230603224086e-08,
    -2.5866850716155884e-07,
    2.3263508708859124e-08,
    3.8675334242222354e-08,
    -3.744210080962018e-09,
    -5.1739902140113095e-09,
    3.1114333809799254e-10,
    4.2514714447963895e-10,
)


# Φ from its tail, so that it keeps its digits: off by 3 units in the last place at most.
def _normal_cdf(z: Array) -> Array:
    y = np.abs(z) * math.sqrt(0.5)
    tail = _polynomial(_TAIL, (y - 3.75) / (y + 3.75)) * _bell(z) / (2 + 4 * y)
    return np.where(z < 0, tail, 1 - tail)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    *lower, highest = coefficients
    total = np.full_like(x, highest)
    for coefficient in reversed(lower):
        total *= x
        total += coefficient
    return total


# exp(−z²/2): z² would be rounded, by far too much in the tails; squares of sixteenths are not.
def _bell(z: Array) -> Array:
    near = np.rint(16 * z) / 16
    return np.exp(near * near / -2) * np.exp((near - z) * (near + z) / 2)


def _normal_density(z: Array) -> Array:
    return _bell(z) / math.sqrt(2 * math.pi)


def _gelu(z: Array) -> Array:
    return z * _normal_cdf(z)


def _gelu_first(z: Array) -> Array:
    return _normal_cdf(z) + z * _normal_density(z)


def _gelu_second(z: Array) -> Array:
    return (2 - z * z) * _normal_density(z)


def _gelu_third(z: Array) -> Array:
    return (z * z - 4) * z * _normal_density(z)


#: z itself: straight, so every mean passes through it.
identity = Activation("identity", _identity, _one, _zero, _zero)
#: 1 / (1 + e⁻ᶻ), from 0 to 1; its slope is a curve, not a line.
sigmoid = Activation("sigmoid", _sigmoid, _sigmoid_first, _sigmoid_second, _sigmoid_third)
#: The sigmoid from −1 to 1: 2 σ(2z) − 1.
tanh = Activation("tanh", np.tanh, _tanh_first, _tanh_second, _tanh_third)
#: max(z, 0). Its kink at 0 has no slope; the derivative there is taken as 0, as frameworks do.
relu = Activation("relu", _relu, _relu_first, _zero, _zero)
#: log(1 + eᶻ), the smooth ReLU; its slope is the sigmoid.
softplus = Activation("softplus", _softplus, _sigmoid, _sigmoid_first, _sigmoid_second)
#: z Φ(z) with the normal distribution's Φ, not the tanh approximation:
#: Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415
gelu = Activation("gelu", _gelu, _gelu_first, _gelu_second, _gelu_third)
