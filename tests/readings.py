"""Read a gradient by its parts, as the audit does, from gradients that fit in memory."""

import numpy as np
import numpy.typing as npt

from gradexplain.audit.weights import Reading

Array = npt.NDArray[np.float64]


def reading(parts: Array, total: Array, base: Array, dtype: str = "float64") -> Reading:
    left = total - base @ parts
    peak = float(np.abs(total).max())
    return Reading(parts @ parts.T, parts @ left, float(left @ left), base, dtype, len(total), peak)
