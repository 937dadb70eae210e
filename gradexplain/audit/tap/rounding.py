"""How much of each parameter's gradient rounding explains."""

import numpy as np

from gradexplain.audit.tap.sketches import FLOOR, Array, Sketches

COARSE = 1e-3  # a rounding from which on it is compared with the running sums: bfloat16's
_ROUNDINGS = 2.0  # times the root mean square of a running sum's roundings, at most


def fits(sketches: Sketches, c: Array, left: Array, allowed: float) -> bool:
    """Tell whether rounding explains what these factors leave."""
    most = float(left.max())
    return most <= allowed and bool(np.all(left <= allowed_by(sketches, c, allowed)))


def allowed_by(sketches: Sketches, c: Array, most: float) -> Array:
    """Return how much of each parameter's gradient rounding may leave, at most so much, (T,).

    In coarse arithmetic the share of all that went in says little: the gradients of many passes
    point in many directions, and what is rounded is their sum so far. Roundings add up as a random
    walk does, but for passes that repeat an earlier one, which are rounded alike.
    """
    if sketches.unit < COARSE or most > sketches.tolerance:
        return np.full(len(sketches.names), most)
    sums = sketches.running(c)
    added, _, handed = sketches.sizes
    own = np.abs(c)[:, None] * added
    alike = np.abs(c)[:, None] * sketches.change < 2 * sketches.unit * sums
    walked = np.sqrt((sums**2).sum(0) + 2 * handed**2)
    repeated = (np.minimum(sketches.unit * sums, own) * alike).sum(0)
    found = (_ROUNDINGS * sketches.unit * walked + repeated) / sketches.scale(c)
    return np.minimum(found + FLOOR, most)
