"""From a trace to gradients: of the batch, of every example, and of every example's length."""

import numpy as np
from jaxtyping import Float

from gradexplain.arrays import Array
from gradexplain.network import Gradient, Trace


def batch_gradient(trace: Trace) -> Gradient:
    """Return the gradient of the mean loss: of each layer, one matrix product over the batch.

    ∂J/∂W = (1/N) Δᵀ A, where Δ holds one delta a row and A one input row: the product is the sum
    of the per-example gradients δᵢ aᵢᵀ, taken last.

    >>> import numpy as np
    >>> from gradexplain import backprop, batch_gradient, random_mlp, squared_error
    >>> rng = np.random.default_rng(0)
    >>> net = random_mlp((3, 5, 2), rng)
    >>> x, y = rng.standard_normal((8, 3)), rng.standard_normal((8, 2))
    >>> gradient = batch_gradient(backprop(net, x, y, squared_error))
    >>> [dW.shape for dW in gradient.weights]
    [(5, 3), (2, 5)]
    """
    N = len(trace.losses)
    layers = list(zip(trace.delta, trace.a, strict=False))  # the output a[-1] feeds no layer
    return Gradient(
        tuple((delta / N).T @ a for delta, a in layers),
        tuple(delta.mean(axis=0) for delta, _ in layers),
    )


def per_example_gradients(trace: Trace) -> Gradient:
    """Return the gradient of each example's own loss: every array has the batch as its first axis.

    For a layer with weights of shape (outputs, inputs): δᵢ aᵢᵀ, stacked to (N, outputs, inputs).
    Their mean over the first axis is `batch_gradient`.

    >>> import numpy as np
    >>> from gradexplain import backprop, per_example_gradients, random_mlp, squared_error
    >>> rng = np.random.default_rng(0)
    >>> net = random_mlp((3, 5, 2), rng)
    >>> x, y = rng.standard_normal((8, 3)), rng.standard_normal((8, 2))
    >>> each = per_example_gradients(backprop(net, x, y, squared_error))
    >>> [dW.shape for dW in each.weights]
    [(8, 5, 3), (8, 2, 5)]
    """
    layers = list(zip(trace.delta, trace.a, strict=False))
    return Gradient(
        tuple(delta[:, :, np.newaxis] * a[:, np.newaxis, :] for delta, a in layers),
        tuple(delta.copy() for delta, _ in layers),
    )


def per_example_norms(trace: Trace) -> Float[Array, " N"]:
    """Return the Euclidean norm of each example's whole gradient, (N,), without building any.

    A layer's gradient is the outer product δᵢ aᵢᵀ, with δᵢ for its biases, so its squared norm is
    ‖δᵢ‖² (‖aᵢ‖² + 1): Goodfellow, https://arxiv.org/abs/1510.01799.

    >>> import numpy as np
    >>> from gradexplain import MLP, backprop, identity, per_example_norms, signed_error
    >>> net = MLP([np.array([[0.0]])], [np.array([0.0])], [identity])
    >>> x = np.array([[0.0], [np.sqrt(3.0)]])
    >>> per_example_norms(backprop(net, x, np.zeros((2, 1)), signed_error))
    array([1., 2.])
    """
    squares = [
        np.vecdot(delta, delta) * (np.vecdot(a, a) + 1)
        for delta, a in zip(trace.delta, trace.a, strict=False)
    ]
    return np.sqrt(sum(squares[1:], start=squares[0]))
