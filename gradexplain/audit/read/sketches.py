"""A few thousand numbers that stand for a gradient of any size, and add up over its shards.

A sketch is a fixed linear map. So A = Σ wₖ gₖ holds for the sketches with the same weights, and the
sketch of a whole model is the sum of those of its shards, wherever they lie.

The flattened tensor is laid out in rows of `length` numbers, each row gets a random sign, and the
rows are added up. A prime length keeps the rows from lining up with the width of a layer.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import index
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from gradexplain.audit.given import named
from gradexplain.audit.read.arithmetic import arithmetic_of, coarsest
from gradexplain.audit.read.tensors import Tensor
from gradexplain.audit.read.walk import check_finite, walk

Offset = SupportsIndex | tuple[tuple[int, ...], tuple[int, ...]]
_Vector = npt.NDArray[np.float64]
_CHUNK = 110_000  # numbers widened to float64 at a time: under a megabyte


@dataclass(frozen=True, eq=False)
class Sketch:
    """What `sketch` returns: its numbers, the seed they depend on, and what they stand for.

    Sketches of one seed and length add up with `+` or `sum`. After an all-reduce of `values` over
    workers, `dataclasses.replace(mine, values=total)` is the sketch of the whole.
    """

    values: _Vector
    seed: int
    dtype: str  # the arithmetic of the gradient, which sets the tolerance
    numbers: int  # how many the gradient has

    def __add__(self, other: object) -> "Sketch":
        """Return the sketch of the sum: of two shards, or of two gradients."""
        if not isinstance(other, Sketch):
            return NotImplemented
        if self.kind != other.kind:
            raise ValueError(
                f"sketches must be of one kind to be added, not {self.kind} and {other.kind}"
            )
        dtype = coarsest(self.dtype, other.dtype)
        return Sketch(self.values + other.values, self.seed, dtype, self.numbers + other.numbers)

    def __radd__(self, other: object) -> "Sketch":
        """Let `sum` begin at 0."""
        return self if type(other) is int and other == 0 else NotImplemented

    @property
    def kind(self) -> str:
        """What must be the same for sketches to be compared."""
        return f"seed {self.seed} and length {len(self.values)}"


def sketch(
    gradient: object,
    length: SupportsIndex = 4093,
    seed: int = 0,
    offsets: Mapping[str, Offset] | None = None,
) -> Sketch:
    """Return a sketch of a gradient, to be audited in its place: (length,) numbers.

    Sketch A, every part, and F with the same length and seed. Where A is a weighted sum of the
    parts, the weights read off the sketches are those of the full gradients: to about 1e-9 in
    float32, to rounding in float64 (measured for 30 seeds, dense, and sparse to 0.2% of the
    numbers). Where it is not, they are off by no more than what lies outside. Norms are kept to
    about √(2 / length), or 2%, but not those of tensors whose rows of `length` numbers are all
    alike.

    Args:
        gradient: as `audit_accumulation` takes it.
        length: how many numbers to keep; many more than there are parts, and best a prime. If parts
            look parallel only because their entries fell into the same slots, another length will
            separate them.
        seed: chooses the signs.
        offsets: for a shard, where each of its parameters begins in the whole parameter: the index
            of its first element in the flattened whole; or, for a shard cut across several axes,
            its corner and the whole's shape, ((0, 512), (4096, 1024)). A parameter that several
            workers hold whole is sketched by one of them.

    Raises:
        TypeError: as for `audit_accumulation`; or length or offsets are of the wrong kind.
        ValueError: length is below 1, or offsets names a parameter that is not there.

    >>> import numpy as np
    >>> from gradexplain import sketch
    >>> gradient = {"w": np.arange(10_000.0)}
    >>> first, second = {"w": gradient["w"][:3_000]}, {"w": gradient["w"][3_000:]}
    >>> added = sketch(first) + sketch(second, offsets={"w": 3_000})
    >>> bool(np.allclose(added.values, sketch(gradient).values, rtol=1e-12))
    True
    """
    length = _whole("length", length, least=1)
    left, total = dict(named("offsets", offsets)), np.zeros(length)
    dtype, numbers = "float64", 0
    for name, tensors in walk({"gradient": gradient}, "gradient"):
        tensor = tensors["gradient"]
        dtype = coarsest(dtype, arithmetic_of(tensor) or tensor.dtype)
        numbers += tensor.flat.size
        key = _key(seed, name)
        for start, run in _runs(name, tensor, left.pop(name, 0)):
            _add(total, run, start + key % length, key)
        if not np.isfinite(total).all():
            check_finite(name, tensors)
    if left:
        raise ValueError(f"offsets must name parameters of gradient, not {next(iter(left))!r}")
    return Sketch(total, seed, dtype, numbers)


def _runs(
    name: str,
    tensor: Tensor,
    offset: Any,  # noqa: ANN401 - an `Offset`, if the user gave one
) -> Iterator[tuple[int, npt.NDArray[np.floating]]]:
    """Yield the stretches of a shard that are also stretches of the whole, and where they begin."""
    flat, shape = tensor.flat, tensor.shape
    if isinstance(offset, int | np.integer):
        yield _whole(f"offsets[{name!r}]", offset, least=0), flat
        return
    try:
        corner, whole = (tuple(index(n) for n in each) for each in offset)
    except (TypeError, ValueError):
        raise TypeError(
            f"offsets[{name!r}] must be a whole number, or a corner and a shape as in "
            f"((0, 512), (4096, 1024)), not {offset!r}"
        ) from None
    if tensor.present and (
        not len(corner) == len(whole) == len(shape)
        or any(at < 0 for at in corner)
        or any(np.add(corner, shape) > whole)
    ):
        raise ValueError(
            f"offsets[{name!r}] must place a shard of shape {shape} inside the whole, "
            f"not at {corner} in {whole}"
        )
    if not shape or not flat.size:  # one number, or none
        yield 0, flat
        return
    rows = flat.reshape(-1, shape[-1])
    for at, run in zip(np.ndindex(*shape[:-1], 1), rows, strict=True):
        place = tuple(np.add(corner, at).tolist())
        yield int(np.ravel_multi_index(place, whole)), run


def _whole(name: str, given: object, *, least: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int | np.integer):
        raise TypeError(f"{name} must be a whole number, not {given!r}")
    if given < least:
        raise ValueError(f"{name} must be at least {least}, not {given}")
    return int(given)


@np.errstate(over="ignore", invalid="ignore")  # NaN and infinity are looked for afterwards
def _add(total: _Vector, flat: npt.NDArray[np.floating], start: int, key: int) -> None:
    """Add a stretch of a tensor that begins at place `start`, each row of places with its sign."""
    size = len(total)
    row, column = divmod(start, size)
    head = min(-column % size, len(flat))
    if head:
        total[column : column + head] += _signs(key, row, 1) * flat[:head]
        row += 1
    rows = (len(flat) - head) // size
    table = flat[head : head + rows * size].reshape(rows, size)
    step = max(_CHUNK // size, 1)
    for first in range(0, rows, step):
        chunk = table[first : first + step]
        total += _signs(key, row + first, len(chunk)) @ chunk.astype(np.float64)
    tail = flat[head + rows * size :]
    total[: len(tail)] += _signs(key, row + rows, 1) * tail


def _key(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest())


def _signs(key: int, first: int, rows: int) -> _Vector:
    """Return +1 or −1 for each row, by its number alone, mixed as splitmix64 does."""
    mixed = np.arange(first + 1, first + rows + 1, dtype=np.uint64)
    mixed = np.uint64(key) + mixed * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.where(mixed >> np.uint64(63), -1.0, 1.0)
