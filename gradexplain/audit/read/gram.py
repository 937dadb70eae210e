"""The inner products of all gradients, streamed: a block of each in memory, never the gradients."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradexplain.audit.read.arithmetic import UNITS, arithmetic_of, coarsest
from gradexplain.audit.read.sources import Sources
from gradexplain.audit.read.tensors import Tensor
from gradexplain.audit.read.walk import check_finite, walk

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
# Numbers of each gradient that are held in float64 at a time. Rows that lay a power of two apart
# would push each other out of the cache, and above 10⁶ multiplications OpenBLAS copies its factors.
_BLOCK = 12_008
_LEAST = 256  # but no fewer than these
_LINE = 64 // 8  # float64 numbers in a line of the cache, at which each row starts
_TILE = 4  # rows that matrix libraries multiply at a time
_FEW = 12  # rows for which a matrix-vector product each is faster than one symmetric product
_ROOM = 180_000  # numbers of all of them together
SPARE = 10  # equations that must be left over once the parts' weights are chosen


@dataclass(frozen=True, eq=False)
class Gram:
    """Inner products of the rows, one matrix per parameter, (T, R, R).

    The rows are those of `Sources`: the K parts, then A − B for each worker, then F − B, the first
    part computed again minus itself, and the extra columns. B = Σ bₖ gₖ is where the weights are
    measured from: the differences are taken number by number in float64, so nothing cancels later.
    """

    products: npt.NDArray[np.float64]
    names: tuple[str, ...]  # of the parameters, T of them
    sizes: tuple[int, ...]  # numbers in each
    spreads: tuple[int, ...]  # places in each where some part is not zero, counted to `SPARE` + K
    peaks: Vector  # the largest |A| in each
    arithmetic: str  # the coarsest that any of them was computed in
    inferred: bool  # whether that is coarser than every array's own type
    roundings: Vector  # how far the parameters' rounding moves each, where A is an `Update`
    left_out: tuple[int, ...]  # parts of count 0 that are not finite


@dataclass(frozen=True, eq=False)
class _Parameter:
    """What one parameter adds to the inner products."""

    product: Matrix
    spread: int
    peak: float
    bad: npt.NDArray[np.bool_]


def gather(sources: Sources, base: Vector, empty: npt.NDArray[np.bool_]) -> Gram:
    """Stream the gradients once. `base` is B's weights; `empty` tells which parts have no target.

    Raises:
        TypeError: as `walk` does.
        ValueError: as `walk` does, or a number is not finite, but for empty parts.
    """
    labels, rows = list(sources.gradients), len(sources.gradients)
    skipped = {labels[k] for k in np.flatnonzero(empty)}
    block = _room(rows, max(min(_BLOCK, _ROOM // rows), _LEAST))
    gradients = dict(sources.gradients)
    if sources.after is not None:
        gradients["accumulated.after"] = sources.after
    differences = _differences(sources, base)
    names, found, sizes, shown, dtypes = [], [], [], [sources.dtype], ["float64"]
    stored = []
    for name, tensors in walk(gradients, sources.leader):
        ordered = [tensors[label] for label in labels]
        after = tensors.get("accumulated.after")
        parameter = _stream(
            _blocks(ordered, after, block, sources.parts), sources, differences, empty
        )
        if not np.isfinite(parameter.product).all():
            check_finite(name, {n: t for n, t in tensors.items() if n not in skipped})
        names.append(name)
        found.append(parameter)
        sizes.append(max(tensor.flat.size for tensor in ordered))
        judged = [t for row, t in enumerate(ordered) if t.present and row not in sources.extra]
        shown += [name for name in map(arithmetic_of, judged) if name]
        dtypes += [tensor.dtype for tensor in judged]
        stored.append(_stored(ordered[sources.parts], after, moved=parameter.peak > 0))
    # Where the numbers of a tensor prove nothing, those of the others do.
    arithmetic = coarsest(*shown) if len(shown) > 1 else coarsest(*dtypes, *shown)
    bad = np.any([parameter.bad for parameter in found], axis=0)
    products = np.array([parameter.product for parameter in found])
    products[:, bad] = products[:, :, bad] = 0
    return Gram(
        products=products,
        names=tuple(names),
        sizes=tuple(sizes),
        spreads=tuple(parameter.spread for parameter in found),
        peaks=np.array([parameter.peak for parameter in found]),
        arithmetic=arithmetic,
        inferred=UNITS[arithmetic] > UNITS[coarsest(*dtypes, sources.dtype)],
        roundings=_roundings(stored) / sources.scale,
        left_out=tuple(np.flatnonzero(bad).tolist()),
    )


def _room(rows: int, width: int) -> Matrix:
    """Return an array, (rows, about width), each row of which starts a line of the cache."""
    width -= width % _LINE
    room = np.zeros(rows * width + _LINE)
    start = -room.ctypes.data // room.itemsize % _LINE
    return room[start : start + rows * width].reshape(rows, width)


@np.errstate(over="ignore", invalid="ignore")  # NaN and infinity are looked for afterwards
def _stream(
    blocks: Iterator[Matrix],
    sources: Sources,
    differences: Matrix,
    empty: npt.NDArray[np.bool_],
) -> _Parameter:
    """Return one parameter's inner products, its largest |A|, and its places that are not zero."""
    K, rows, without = sources.parts, len(sources.gradients), np.flatnonzero(empty)
    product, peak, spread, bad = np.zeros((rows, rows)), 0.0, 0, np.zeros(rows, bool)
    accumulated, measured = sources.accumulated, slice(K, K + len(differences))
    for filled in blocks:
        for k in without:
            bad[k] |= not np.isfinite(filled[k]).all()
            filled[k] = np.where(np.isfinite(filled[k]), filled[k], 0)
        if spread < K + SPARE:
            spread += int(np.count_nonzero(filled[:K].any(axis=0)))
        A = filled[accumulated]
        peak = max(peak, float(A.max()), -float(A.min()))
        filled[measured] = differences @ filled
        _add_products(product, filled)
    upper = np.triu(product)
    return _Parameter(upper + np.triu(upper, 1).T, spread, peak / abs(sources.scale), bad)


def _stored(before: Tensor, after: Tensor | None, *, moved: bool) -> tuple[float, str, str | None]:
    """Return a parameter's length, the coarser type of its arrays, and what its numbers show.

    The step rounded those after it. Where none moved, they may never have been rounded.
    """
    if after is None:
        return 0.0, before.dtype, None
    # In its own arithmetic, a float16 number above 256 has no square.
    length = float(np.einsum("i,i", after.flat, after.flat, dtype=float)) ** 0.5
    shown = (arithmetic_of(after) or arithmetic_of(before)) if moved else None
    return length, coarsest(before.dtype, after.dtype), shown


def _roundings(stored: Sequence[tuple[float, str, str | None]]) -> Vector:
    """Return how far each parameter was rounded; where its numbers are mute, as the others."""
    known = [shown for _, _, shown in stored if shown]
    return np.array(
        [
            length * UNITS[coarsest(dtype, *([shown] if shown else known))]
            for length, dtype, shown in stored
        ]
    )


def _differences(sources: Sources, base: Vector) -> Matrix:
    """Return what takes all rows to A − B for each worker, F − B, and part 0 again minus itself."""
    K, identity = sources.parts, np.eye(len(sources.gradients))
    B = np.zeros(len(identity))
    B[:K] = base
    found = [*(identity[sources.accumulated] / sources.scale - B)]
    if sources.full is not None:
        found.append(identity[sources.full] - B)
    if sources.again is not None:
        found.append(identity[sources.again] - identity[0])
    return np.array(found)


def _add_products(product: Matrix, filled: Matrix) -> None:
    """Add the inner products of the rows of `filled`, (R, P), above the diagonal and on it.

    Matrix libraries work in tiles of four rows, so the usual 4, 8 or 16 parts with A are one too
    many. Each row but the last with each but the first is then all but two of the products.
    """
    rows = len(filled)
    if rows % _TILE == 1:
        product[:-1, 1:] += filled[:-1] @ filled[1:].T
        for row in (0, -1):
            product[row, row] += filled[row] @ filled[row]
    elif rows > _FEW:
        product += filled @ filled.T
    else:
        for row in range(rows):
            product[row, row:] += filled[row:] @ filled[row]


def _blocks(
    tensors: Sequence[Tensor], after: Tensor | None, block: Matrix, A: int
) -> Iterator[Matrix]:
    """Yield the tensors a stretch at a time, each a row of `block`, which is used again.

    From row A, the parameters before an update, those after it are taken away.
    """
    size, width = max(tensor.flat.size for tensor in tensors), block.shape[1]
    for start in range(0, size, width):
        filled = block[:, : min(width, size - start)]
        for row, tensor in enumerate(tensors):
            filled[row] = tensor.flat[start : start + width] if tensor.present else 0
        if after is not None and after.present:
            filled[A] -= after.flat[start : start + width]
        yield filled
