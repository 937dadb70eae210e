"""Averaged backprop, wrong on purpose: average every layer first, then push one delta back."""

from typing import Literal

from gradexplain.arrays import Array
from gradexplain.network import Gradient, Trace


def averaged_backprop(trace: Trace, slopes: Literal["at_mean", "mean"] = "at_mean") -> Gradient:
    """Return what backprop gives if one averaged example replaces the batch. It is not ∇J.

    The output deltas are averaged, the average is pushed back through the weights, and each
    layer's delta meets the average of that layer's inputs. It equals `batch_gradient` for one
    example, and for the last bias always; the difference elsewhere is the subject of the site.

    Args:
        trace: a batch, from `backprop`.
        slopes: which slope an averaged delta passes through: "at_mean" takes f′(E[z]), the slope
            at the mean pre-activation; "mean" takes E[f′(z)], the mean of the slopes.

    Raises:
        ValueError: `slopes` is neither "at_mean" nor "mean".

    >>> import numpy as np
    >>> from gradexplain import MLP, averaged_backprop, backprop, identity, squared_error
    >>> x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([[-1.0], [0.0], [2.0], [3.0]])
    >>> flat = MLP([np.array([[0.0]])], [np.array([0.0])], [identity])
    >>> averaged_backprop(backprop(flat, x, y, squared_error)).weights[0]
    array([[-3.]])
    """
    if slopes not in ("at_mean", "mean"):
        raise ValueError(f'slopes must be "at_mean" or "mean", not {slopes!r}')
    delta = [trace.delta[-1].mean(axis=0)]
    for l in reversed(range(len(trace.z) - 1)):
        slope = _slope(trace, l, slopes)
        delta.insert(0, (delta[0] @ trace.net.weights[l + 1]) * slope)
    inputs = [a.mean(axis=0) for a in trace.a[:-1]]
    weights = (d[:, None] * a for d, a in zip(delta, inputs, strict=True))
    return Gradient(tuple(weights), tuple(delta))


def _slope(trace: Trace, layer: int, slopes: str) -> Array:
    f, z = trace.net.activations[layer], trace.z[layer]
    if slopes == "mean":
        return f.derivative(z).mean(axis=0)
    return f.derivative(z.mean(axis=0))
