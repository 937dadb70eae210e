"""A multilayer perceptron, forward and backward, with one row per example in every layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from gradexplain.activations import Activation, identity, tanh
from gradexplain.arrays import Array, check_array, check_same_dtype, not_finite
from gradexplain.losses import Loss


@dataclass(frozen=True, eq=False)
class MLP:
    """A multilayer perceptron: layer l turns rows a into f(a Wᵀ + b).

    Args:
        weights: one array a layer, (outputs, inputs) of that layer.
        biases: one array a layer, (outputs,).
        activations: one a layer, the last one often `identity`.

    Raises:
        TypeError: an array is not float32 or float64, their dtypes are mixed, or an activation is
            not an `Activation`.
        ValueError: there is no layer, the three lists differ in length, the shapes do not chain,
            or an array is empty or not finite.

    >>> import numpy as np
    >>> from gradexplain import MLP, identity, sigmoid
    >>> one = np.ones((1, 1))
    >>> net = MLP((one, one), (np.zeros(1), np.zeros(1)), (sigmoid, identity))
    >>> net(np.array([[0.0], [1.0]])).round(5)
    array([[0.5    ],
           [0.73106]])
    """

    weights: Sequence[Float[Array, "_ _"]]
    biases: Sequence[Float[Array, " _"]]
    activations: Sequence[Activation]

    def __post_init__(self) -> None:
        """Check that the layers chain, and keep them as tuples."""
        for name in ("weights", "biases", "activations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _check_layers(self.weights, self.biases, self.activations)

    def __call__(self, x: Float[Array, "N d0"]) -> Float[Array, "N dL"]:
        """Return the output, one row per example."""
        self._check_input("x", x)
        with np.errstate(over="ignore", invalid="ignore"):
            z, a = _forward(self, x)
        _check_overflow({"z": z})
        return a[-1]

    def _check_input(self, name: str, x: Array) -> None:
        check_array(name, x, ("N", self.weights[0].shape[1]))
        check_same_dtype(name, x, "weights[0]", self.weights[0])


@dataclass(frozen=True, eq=False)
class Trace:
    """Every number that one forward and one backward pass made, one row per example.

    Layer l (from 0) reads a[l], makes z[l] and a[l + 1], and has the delta ∂ℓ/∂z[l] of each
    example's own loss: delta[l]. a[0] is the input, a[-1] the output; losses are per example, (N,).
    """

    net: MLP
    losses: Float[Array, " N"]
    a: tuple[Float[Array, "N _"], ...]
    z: tuple[Float[Array, "N _"], ...]
    delta: tuple[Float[Array, "N _"], ...]


@dataclass(frozen=True, eq=False)
class Gradient:
    """One array for each parameter of an `MLP`, in its order: weights and biases of every layer."""

    weights: tuple[Float[Array, "*_"], ...]
    biases: tuple[Float[Array, "*_"], ...]


def backprop(net: MLP, x: Float[Array, "N d0"], y: Float[Array, "N dL"], loss: Loss) -> Trace:
    """Run a batch forward and backward; keep z, a and δ of every layer and every example.

    δ[L] = ∂ℓ/∂a[L] ⊙ f′(z[L]) and δ[l] = (δ[l+1] W[l+1]) ⊙ f′(z[l]): the chain rule, for each
    example on its own (Rumelhart, Hinton and Williams, 1986, https://doi.org/10.1038/323533a0).

    Args:
        net: the network.
        x: the inputs, (N, d0).
        y: the targets, (N, dL).
        loss: the loss of one example.

    Raises:
        TypeError: x or y is not a NumPy array of the network's dtype.
        ValueError: x or y has another shape, is empty or not finite, y is outside the domain of
            the loss, or a number on the way overflows.

    >>> import numpy as np
    >>> from gradexplain import MLP, backprop, identity, squared_error
    >>> net = MLP([np.array([[2.0]])], [np.array([0.0])], [identity])
    >>> trace = backprop(net, np.array([[1.0], [3.0]]), np.array([[1.0], [7.0]]), squared_error)
    >>> trace.losses, trace.delta[0].ravel()
    (array([1., 1.]), array([ 2., -2.]))
    """
    net._check_input("x", x)  # noqa: SLF001 - the check belongs to the network, not to its users
    check_array("y", y, (len(x), net.weights[-1].shape[0]))
    check_same_dtype("y", y, "x", x)
    loss.check_target(y)
    with np.errstate(over="ignore", invalid="ignore"):  # one error says it better than warnings
        z, a = _forward(net, x)
        losses = loss.formula(a[-1], y)
        delta = _backward(net, z, loss.slope(a[-1], y))
    _check_overflow({"z": z, "losses": losses, "delta": delta})
    return Trace(net, losses, tuple(a), tuple(z), tuple(delta))


def random_mlp(
    sizes: Sequence[int],
    rng: np.random.Generator,
    hidden: Activation = tanh,
    output: Activation = identity,
    dtype: npt.DTypeLike = np.float64,
) -> MLP:
    """Draw a network with normal weights of variance 1/inputs and normal biases of variance 1/4.

    Args:
        sizes: inputs, hidden units of each layer, outputs: (3, 5, 2) has two layers.
        rng: where the random numbers come from.
        hidden: the activation of all layers but the last.
        output: the activation of the last layer.
        dtype: float32 or float64.

    Raises:
        TypeError: dtype is neither float32 nor float64.
        ValueError: fewer than two sizes, or one below 1.

    >>> import numpy as np
    >>> from gradexplain import random_mlp
    >>> net = random_mlp((3, 5, 2), np.random.default_rng(0))
    >>> [W.shape for W in net.weights]
    [(5, 3), (2, 5)]
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes must be two or more numbers of at least 1, not {tuple(sizes)}")
    layers = list(pairwise(sizes))
    weights = [rng.standard_normal((n_out, n_in)) / np.sqrt(n_in) for n_in, n_out in layers]
    biases = [rng.standard_normal(n_out) / 2 for _, n_out in layers]
    return MLP(
        [W.astype(dtype) for W in weights],
        [b.astype(dtype) for b in biases],
        [hidden] * (len(layers) - 1) + [output],
    )


def _forward(net: MLP, x: Array) -> tuple[list[Array], list[Array]]:
    z: list[Array] = []
    a = [x]
    for W, b, f in zip(net.weights, net.biases, net.activations, strict=True):
        z.append(a[-1] @ W.T + b)
        a.append(f.formula(z[-1]))
    return z, a


def _backward(net: MLP, z: list[Array], output_slope: Array) -> list[Array]:
    slopes = [f.slope(each) for f, each in zip(net.activations, z, strict=True)]
    delta: list[Array] = [output_slope * slopes[-1]]
    for l in reversed(range(len(z) - 1)):
        delta.insert(0, (delta[0] @ net.weights[l + 1]) * slopes[l])
    return delta


def _check_overflow(made: Mapping[str, Array | list[Array]]) -> None:
    """Refuse numbers that became infinite on the way; what comes first on the way is named."""
    for name, arrays in made.items():
        layers = {name: arrays} if isinstance(arrays, np.ndarray) else _named(name, arrays)
        for place, array in layers.items():
            if found := not_finite(place, array):
                raise ValueError(
                    f"x, y and the parameters must be small enough for {array.dtype}, but {found}"
                )


def _named(name: str, layers: list[Array]) -> dict[str, Array]:
    return {f"{name}[{l}]": array for l, array in enumerate(layers)}


def _check_layers(
    weights: Sequence[object], biases: Sequence[object], activations: Sequence[object]
) -> None:
    lengths = (len(weights), len(biases), len(activations))
    if len(set(lengths)) != 1 or 0 in lengths:
        raise ValueError(
            "weights, biases and activations must have the same length, at least 1, "
            f"not {lengths[0]}, {lengths[1]} and {lengths[2]}"
        )
    inputs: int | str = "inputs"
    for l, (W, b, f) in enumerate(zip(weights, biases, activations, strict=True)):
        check_array(f"weights[{l}]", W, ("outputs", inputs))
        assert isinstance(W, np.ndarray)  # noqa: S101 - tells mypy what check_array has checked
        check_array(f"biases[{l}]", b, (W.shape[0],))
        assert isinstance(b, np.ndarray)  # noqa: S101 - as above
        check_same_dtype(f"weights[{l}]", W, "weights[0]", np.asarray(weights[0]))
        check_same_dtype(f"biases[{l}]", b, "weights[0]", np.asarray(weights[0]))
        if not isinstance(f, Activation):
            raise TypeError(f"activations[{l}] must be an Activation, not {type(f).__name__}")
        inputs = W.shape[0]
