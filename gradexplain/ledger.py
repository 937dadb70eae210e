"""The ledger: every term between the true gradient and the averaged one, exact to rounding."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from gradexplain.arrays import Array
from gradexplain.gradients import batch_gradient
from gradexplain.network import Gradient, Trace
from gradexplain.shortcut import averaged_backprop


@dataclass(frozen=True, eq=False)
class Ledger:
    """A true gradient, the averaged one, their gap, and the terms that add up to the gap.

    `gap` is `true` − `averaged`. `terms` holds a whole gradient under each name, zero where the
    term does not reach. Names count layers from 1, as in the mathematics: layer 1 has `weights[0]`.

    - "covariance": Cov(δ, a) of each layer's own deltas and inputs; no bias has one.
    - "gate 2": the covariance, in layer 2, of the deltas that arrive from above with the slopes
      they pass through; carried down to layer 1.
    - "curvature 2": the mean of layer 2's slopes against the slope at its mean; carried down.

    `print(ledger)` shows every layer. Terms are signed and may cancel, so their norms do not add
    up; their shares, measured along the gap, do.
    """

    true: Gradient
    averaged: Gradient
    gap: Gradient
    terms: Mapping[str, Gradient]

    def __str__(self) -> str:
        """Return a table of each layer: norm and signed share of every term."""
        return _table(self)


def gap_ledger(trace: Trace) -> Ledger:
    """Account for the gap between `batch_gradient` and `averaged_backprop`, slopes at the mean.

    In layer l the gap of the weights is Cov(δ[l], a[l]) + e[l]ᵀ E[a[l]], and that of the biases is
    e[l], the error of the averaged delta. The last layer has none; below it, layer by layer,
    e[l] = (e[l+1] W[l+1]) ⊙ E[f′] + gate + curvature. With u = δ[l+1] W[l+1], what arrives from
    above, and ũ, the shortcut's version of its mean:

    - gate = Cov(u, f′(z[l])), unit by unit;
    - curvature = ũ ⊙ (E[f′(z[l])] − f′(E[z[l]])).

    Each line is E[uv] = E[u] E[v] + Cov(u, v), nothing more: the sum is exact in exact arithmetic.

    Args:
        trace: a batch, from `backprop`.

    Raises:
        TypeError: `trace` is not a `Trace`.

    >>> import numpy as np
    >>> from gradexplain import MLP, backprop, gap_ledger, identity, squared_error
    >>> x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([[-1.0], [0.0], [2.0], [3.0]])
    >>> flat = MLP([np.array([[0.0]])], [np.array([0.0])], [identity])
    >>> ledger = gap_ledger(backprop(flat, x, y, squared_error))
    >>> ledger.terms["covariance"].weights[0]
    array([[-3.5]])
    >>> print(ledger)
    layer 1     weights share  biases share
    averaged       3.00          2.00
    covariance     3.50 +100%       0
    gap            3.50 +100%       0
    true           6.50          2.00
    gap / true      54%            0%
    weights, biases: norms, which do not add
    share: signed, along the gap, which adds
    """
    if not isinstance(trace, Trace):
        raise TypeError(f"trace must be a Trace, from backprop, not {type(trace).__name__}")
    true, averaged = batch_gradient(trace), averaged_backprop(trace)
    inputs = [a.mean(axis=0) for a in trace.a[:-1]]
    terms = {"covariance": _covariances(trace, inputs)}
    for name, errors in _errors(trace, averaged.biases):
        terms[name] = Gradient(tuple(map(np.outer, errors, inputs)), tuple(errors))
    return Ledger(true, averaged, _minus(true, averaged), MappingProxyType(terms))


def _covariances(trace: Trace, inputs: list[Array]) -> Gradient:
    N = len(trace.losses)
    layers = zip(trace.delta, trace.a, inputs, strict=False)  # the output a[-1] feeds no layer
    weights = (((d - d.mean(axis=0)) / N).T @ (a - mean) for d, a, mean in layers)
    return Gradient(tuple(weights), tuple(np.zeros_like(d[0]) for d in trace.delta))


def _errors(trace: Trace, averaged: tuple[Array, ...]) -> Iterator[tuple[str, list[Array]]]:
    """Yield each error of the averaged deltas by name, from the top down: one row a layer."""
    net, depth = trace.net, len(trace.z)
    hidden = list(zip(net.activations, trace.z, strict=True))[:-1]
    slopes = [f.derivative(z) for f, z in hidden]
    mean_slopes = [slope.mean(axis=0) for slope in slopes]
    for l in reversed(range(depth - 1)):
        W = net.weights[l + 1]
        gate = _unitwise_covariance(trace.delta[l + 1] @ W, slopes[l])
        at_mean = net.activations[l].derivative(trace.z[l].mean(axis=0))
        curvature = (averaged[l + 1] @ W) * (mean_slopes[l] - at_mean)
        for name, born in (("gate", gate), ("curvature", curvature)):
            yield f"{name} {l + 1}", _carried_down(trace, born, l, mean_slopes)


def _unitwise_covariance(u: Array, v: Array) -> Array:
    return ((u - u.mean(axis=0)) * (v - v.mean(axis=0))).mean(axis=0)


def _carried_down(trace: Trace, born: Array, layer: int, mean_slopes: list[Array]) -> list[Array]:
    errors = [born]
    for l in reversed(range(layer)):
        errors.insert(0, (errors[0] @ trace.net.weights[l + 1]) * mean_slopes[l])
    return errors + [np.zeros_like(delta[0]) for delta in trace.delta[layer + 1 :]]


def _minus(one: Gradient, other: Gradient) -> Gradient:
    pairs = (one.weights, other.weights), (one.biases, other.biases)
    weights, biases = (tuple(a - b for a, b in zip(*pair, strict=True)) for pair in pairs)
    return Gradient(weights, biases)


# The table


def _table(ledger: Ledger) -> str:
    depth = len(ledger.true.weights)
    rows = [row for l in reversed(range(depth)) for row in _layer(ledger, l)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    lines.append("weights, biases: norms, which do not add")
    lines.append("share: signed, along the gap, which adds")
    return "\n".join(lines)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
    cells[0] = row[0].ljust(widths[0])
    return "{}  {} {}  {} {}".format(*cells).rstrip()


def _layer(ledger: Ledger, l: int) -> Iterator[tuple[str, ...]]:
    """Yield a layer's rows: name, then norm and share of its weights, then of its biases."""
    above = range(len(ledger.true.weights) - 1, l, -1)  # what is born above reaches this layer
    errors = [f"{kind} {k}" for k in above for kind in ("gate", "curvature")]
    lines = {
        "averaged": ledger.averaged,
        **{name: ledger.terms[name] for name in ("covariance", *errors)},
        "gap": ledger.gap,
        "true": ledger.true,
    }
    weights = _column({name: gradient.weights[l] for name, gradient in lines.items()})
    biases = _column({name: gradient.biases[l] for name, gradient in lines.items()})
    yield f"layer {l + 1}", "weights", "share", "biases", "share"
    for name in weights:
        yield name, *weights[name], *biases[name]


def _column(arrays: dict[str, Array]) -> dict[str, tuple[str, str]]:
    """Return norm and share of each line as they are printed; what is mere rounding prints as 0."""
    gap = arrays["gap"]
    norms = {name: float(np.linalg.norm(array)) for name, array in arrays.items()}
    rounding = 1000 * float(np.finfo(gap.dtype).eps) * sum(norms.values())
    norms = {name: 0.0 if norm <= rounding else norm for name, norm in norms.items()}
    shares = dict.fromkeys(arrays, "")
    if norms["gap"]:
        for name in arrays.keys() - {"averaged", "true"}:
            shares[name] = _share(arrays[name], gap) if norms[name] else ""
    column = {name: (f"{norm:#.3g}" if norm else "0", shares[name]) for name, norm in norms.items()}
    off = f"{norms['gap'] / norms['true']:.0%}" if norms["true"] else ""
    return {**column, "gap / true": (off, "")}


def _share(term: Array, gap: Array) -> str:
    percent = f"{np.vdot(term, gap) / np.vdot(gap, gap):+.0%}"
    return "0%" if percent in {"+0%", "-0%"} else percent
