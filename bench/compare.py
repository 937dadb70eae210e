"""Whether two results are the same but for rounding: what is not equal is not timed."""

from collections.abc import Sequence

import numpy as np

from bench.cases import Array

CLOSE = 200  # units of rounding, of the largest number in the array


def faults(found: Sequence[Array], wanted: Sequence[Array]) -> list[str]:
    """Say in which arrays the two results differ, and by how much."""
    if len(found) != len(wanted):
        return [f"{len(found)} arrays, not {len(wanted)}"]
    pairs = enumerate(zip(found, wanted, strict=True))
    return [f"array {i}: {said}" for i, (one, other) in pairs if (said := _fault(one, other))]


def _fault(found: Array, wanted: Array) -> str:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return f"{found.dtype} {found.shape}, not {wanted.dtype} {wanted.shape}"
    most = float(np.abs(wanted).max())
    rows = zip(found, wanted, strict=True)  # one at a time, for some results fill the memory
    off = float(np.max([np.abs(one - other).max() for one, other in rows]))  # NaN where one is
    allowed = CLOSE * float(np.finfo(wanted.dtype).eps) * most
    return "" if off <= allowed else f"off by {off:.1e}, where {allowed:.1e} is rounding"
