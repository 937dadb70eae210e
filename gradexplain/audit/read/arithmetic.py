"""The arithmetic that numbers were computed in, read off the numbers themselves.

NumPy has no bfloat16, so bfloat16 gradients are often saved as float32, and float32 gradients as
float64. Nothing is lost that way: every number still ends in zeros where the coarser type has no
bits. And a number that uses b significant bits was rounded to no type of fewer than b.
"""

import numpy as np
import numpy.typing as npt

from gradexplain.audit.read.tensors import Tensor

#: Half the gap between 1 and the next number: how far a rounded result may be off, relatively.
UNITS = {
    "float64": 2.0**-53,
    "float32": 2.0**-24,
    "tfloat32": 2.0**-11,
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
}
_BITS = {"bfloat16": 8, "float16": 11, "float32": 24}  # significant bits, the coarsest type first
_NO_COARSER = {"float64": 25, "float32": 12}  # bits from which on nothing coarser holds a number
_FLOAT16 = (-24, 16)  # all bits of a float16 lie between these exponents
_EVIDENCE = 4  # numbers that must use nearly all bits of a type before it counts as seen
_GLANCE = 1024  # numbers that settle the question for most tensors
_CHUNK = 1 << 14
_FAR = 2000  # beyond every exponent


def coarsest(*types: str) -> str:
    """Return the coarsest of some types."""
    return max(types, key=UNITS.__getitem__)


def arithmetic_of(tensor: Tensor) -> str | None:
    """Return the coarsest type that holds every number of a tensor exactly, or None.

    Zeros, powers of two and small integers fit every type, so they prove nothing: a type counts
    only if four numbers or more use all but one of its bits, and if the numbers are not multiples
    of one step, small enough to be integers of so few bits.

    >>> import numpy as np
    >>> from gradexplain.audit.read.arithmetic import arithmetic_of
    >>> from gradexplain.audit.read.tensors import to_tensor
    >>> numbers = np.random.default_rng(0).standard_normal(50).astype(np.float32)
    >>> arithmetic_of(to_tensor("gradient", numbers.astype(np.float64)))
    'float32'
    >>> arithmetic_of(to_tensor("gradient", np.arange(50.0))) is None
    True
    """
    if tensor.dtype not in {"float64", "float32"}:
        return tensor.dtype
    flat = tensor.flat
    if not len(flat):
        return None
    glance, _, _ = _used(flat[:: len(flat) // _GLANCE + 1])
    if glance[_NO_COARSER[tensor.dtype] :].any():  # the others cannot need more
        return tensor.dtype
    chunks = [_used(flat[start : start + _CHUNK]) for start in range(0, len(flat), _CHUNK)]
    used = np.sum([histogram for histogram, _, _ in chunks], axis=0)
    lowest, highest = min(low for _, low, _ in chunks), max(high for _, _, high in chunks)
    for name, bits in _BITS.items():
        fits = not used[bits + 1 :].any()
        if name == "float16":
            fits = fits and _FLOAT16[0] <= lowest and highest <= _FLOAT16[1]
        if fits:
            proven = used[bits - 1 :].sum() >= _EVIDENCE and highest - lowest > bits
            return name if proven else None
    return "float64"


def _used(values: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.intp], int, int]:
    """Count the numbers by the significant bits they use; return also their lowest and highest bit.

    Bit e has the worth 2^e. Zeros, infinities and NaN are left out.
    """
    known = values[np.isfinite(values) & (values != 0)]
    mantissas, exponents = np.frexp(np.abs(known.astype(np.float64)))
    integers = (mantissas * 2.0**53).astype(np.int64)
    lowest_bit = integers & -integers
    used = 54 - np.frexp(lowest_bit)[1]  # 53 bits, without those that are zero at the end
    low, high = (exponents - used).min(initial=_FAR), exponents.max(initial=-_FAR)
    return np.bincount(used, minlength=54), int(low), int(high)
