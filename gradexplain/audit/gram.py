"""The inner products of all gradients, streamed: a block of each in memory, never the gradients."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradexplain.audit.inputs import check_finite, walk
from gradexplain.audit.tensors import UNITS, Tensor

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
_BLOCK = 1 << 14  # numbers of each gradient that are held in float64 at a time
_LEAST = 256  # but no fewer than these
_ROOM = 180_000  # numbers of all of them together
SPARE = 10  # equations that must be left over once the parts' weights are chosen


@dataclass(frozen=True, eq=False)
class Gram:
    """Inner products of the rows, one matrix per parameter, (T, R, R).

    The rows are the K parts, then A − B, then what else was given: F − B, the first part computed
    again minus itself, extra columns. B = Σ bₖ gₖ is where the weights are measured from: the
    differences are taken number by number in float64, so that nothing cancels later.
    """

    products: npt.NDArray[np.float64]
    rows: tuple[str, ...]
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    peaks: Vector  # the largest |A| in each parameter
    spreads: tuple[int, ...]  # places in each where some part is not zero, counted to `enough`
    dtype: str  # the coarsest seen


def gather(
    parts: Mapping[str, object], others: Mapping[str, object], base: Vector, scale: float
) -> Gram:
    """Stream the gradients once. `others` begins with "accumulated", which is divided by `scale`.

    Raises:
        TypeError: as `walk` does.
        ValueError: as `walk` does, or a number is not finite.
    """
    rows = (*parts, *others)
    block = np.zeros((len(rows), max(min(_BLOCK, _ROOM // len(rows)), _LEAST)))
    products, names, sizes, peaks, spreads, dtype = [], [], [], [], [], "float64"
    for name, tensors in walk({"accumulated": others["accumulated"], **parts, **others}):
        ordered = [tensors[row] for row in rows]
        product, peak, spread = _stream(_blocks(ordered, block), rows, base, scale)
        if not np.isfinite(product).all():
            check_finite(name, tensors)
        products.append(product)
        names.append(name)
        sizes.append(max(tensor.flat.size for tensor in ordered))
        peaks.append(peak)
        spreads.append(spread)
        dtype = max([dtype, *(t.dtype for t in ordered if t.present)], key=UNITS.__getitem__)
    return Gram(
        np.array(products), rows, tuple(names), tuple(sizes), np.array(peaks), tuple(spreads), dtype
    )


@np.errstate(over="ignore", invalid="ignore")  # NaN and infinity are looked for afterwards
def _stream(
    blocks: Iterator[Matrix], rows: Sequence[str], base: Vector, scale: float
) -> tuple[Matrix, float, int]:
    """Return one parameter's inner products, its largest |A|, and its places that are not zero."""
    K = len(base)
    product, peak, spread = np.zeros((len(rows), len(rows))), 0.0, 0
    for filled in blocks:
        if spread < K + SPARE:
            spread += int(np.count_nonzero(filled[:K].any(axis=0)))
        accumulated = filled[K]
        accumulated /= scale
        peak = max(peak, float(accumulated.max()), -float(accumulated.min()))
        _subtract(filled, rows, base)
        product += filled @ filled.T
    return product, peak, spread


def _blocks(tensors: Sequence[Tensor], block: Matrix) -> Iterator[Matrix]:
    """Yield the tensors a stretch at a time, each a row of `block`, which is used again."""
    size, width = max(tensor.flat.size for tensor in tensors), block.shape[1]
    for start in range(0, size, width):
        filled = block[:, : min(width, size - start)]
        for row, tensor in enumerate(tensors):
            filled[row] = tensor.flat[start : start + width] if tensor.present else 0
        yield filled


def _subtract(filled: Matrix, rows: Sequence[str], base: Vector) -> None:
    """Take B from A and from F, and the first part from itself computed again."""
    parts = filled[: len(base)]
    mean = base @ parts
    for row, name in enumerate(rows):
        if name in {"accumulated", "full"}:
            filled[row] -= mean
        elif name == "again":
            filled[row] -= parts[0]
