"""Fit a gradient by its parts, as the audit does, from gradients that fit in memory."""

import numpy as np
import numpy.typing as npt

from gradexplain.audit.read.arithmetic import UNITS
from gradexplain.audit.read.fit import TINY, Fit, Rounding, fit, span

Array = npt.NDArray[np.float64]


def fitted(
    parts: Array, total: Array, base: Array, dtype: str = "float64", parameters: float = 0.0
) -> Fit:
    """Fit `total` by `parts`, measured from the weights `base`."""
    left = total - base @ parts
    peak = float(np.abs(total).max())
    return fitted_products(
        parts @ parts.T,
        parts @ left,
        float(left @ left),
        base,
        dtype,
        numbers=len(total),
        peak=peak,
        parameters=parameters,
    )


def fitted_products(
    gram: Array,
    along: Array,
    square: float,
    base: Array,
    dtype: str = "float64",
    *,
    numbers: int = 40,
    peak: float = 1.0,
    keep_short: bool = False,
    parameters: float = 0.0,
) -> Fit:
    """Fit by inner products: of the parts, of A − B with them, and of A − B with itself."""
    tiny = TINY * float(np.sqrt(numbers * len(base))) if dtype == "float16" else 0.0
    rounding = Rounding(UNITS[dtype], tiny, parameters)
    return fit(span(gram, base, rounding, keep_short=keep_short), along, square, peak)
