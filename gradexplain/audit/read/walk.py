"""From any framework's gradients to NumPy arrays: one parameter at a time, of all in step.

Arrays are recognized by what they can do, never by importing the package that made them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from gradexplain.audit.read.files import Stored, open_arrays
from gradexplain.audit.read.tensors import Tensor, to_tensor

_STEPPED = {"accumulated.before", "accumulated.after"}  # the parameters of an `Update`
_Source = Mapping[str, object] | Iterator[tuple[str, object]]


def walk(gradients: Mapping[str, object], leader: str) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield each parameter's name with its tensor in every gradient, by the gradients' labels.

    The leader names the parameters, unless another gradient is an iterator, which cannot wait.

    A gradient is an array; a nesting of dicts, lists and tuples of arrays; a path to a file; or an
    iterator of arrays or of (name, array) pairs, which is read once and never held whole.

    Raises:
        TypeError: a leaf is not a floating-point array.
        ValueError: names or shapes differ, two gradients share memory, or one has no parameters.
    """
    sources = {label: _open(label, gradient) for label, gradient in gradients.items()}
    if not isinstance(sources[leader], Iterator):
        streams = (label for label, source in sources.items() if isinstance(source, Iterator))
        leader = next(streams, leader)
    names: set[str] = set()
    for name, leaf in _items(sources[leader]):
        if name in names:
            raise ValueError(
                f"{leader} must name each parameter once, but {_called(name)} is twice"
            )
        names.add(name)
        leaves = {
            label: leaf if label == leader else _take(label, source, name, leader)
            for label, source in sources.items()
        }
        tensors = {label: to_tensor(_place(label, name), leaf) for label, leaf in leaves.items()}
        _check_shapes(name, tensors)
        _check_apart(name, tensors)
        yield name, tensors
    for label, source in sources.items():
        _check_used_up(label, source, names, leader)
    if not names:
        raise ValueError(f"{leader} must hold at least one array, but it is empty")


def copied(label: str, gradient: object) -> object:
    """Copy a gradient that training code may overwrite; files and iterators stay."""
    if isinstance(gradient, Stored | Iterator | str | Path):
        return gradient
    return {name: to_tensor(_place(label, name), leaf).copy() for name, leaf in _flat(gradient)}


def check_finite(name: str, tensors: Mapping[str, Tensor]) -> None:
    """Say which gradient holds NaN or infinity, and where; or that its square is too large."""
    for label, tensor in tensors.items():
        finite = np.isfinite(tensor.flat)
        if not finite.all():
            index = int(np.argmin(finite))
            where = ", ".join(str(int(i)) for i in np.unravel_index(index, tensor.shape or (1,)))
            found = f"{_place(label, name)} is {tensor.flat[index]} at [{where}]"
            k = re.search(r"parts\[(\d+)\]$", label)
            if k and np.isnan(tensor.flat[index]):
                found += (
                    ": has it no target? Then its mean is 0/0; with a count of 0 it is left out"
                )
            raise ValueError(f"{f'micro-batch {k[1]}' if k else label} must be finite, but {found}")
    raise ValueError(f"{_called(name)} must not be so large that its square overflows float64")


def _open(label: str, gradient: object) -> _Source:
    """Return a gradient as tensors by name, or as an iterator over (name, tensor)."""
    if isinstance(gradient, str | Path):
        return open_arrays(gradient, label)
    if isinstance(gradient, Stored):
        return gradient
    if isinstance(gradient, Iterator):
        return _pairs(gradient)
    found: dict[str, object] = {}
    for name, leaf in _flat(gradient):
        if name in found:
            raise ValueError(f"{label} must name each parameter once, but {_called(name)} is twice")
        found[name] = leaf
    return found


def _flat(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        items: Iterator[tuple[object, object]] = iter(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        items = ((index, item) for index, item in enumerate(value))
    else:
        yield prefix, value
        return
    for key, item in items:
        yield from _flat(item, f"{prefix}.{key}" if prefix else str(key))


def _pairs(gradient: Iterator[object]) -> Iterator[tuple[str, object]]:
    for index, item in enumerate(gradient):
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
            yield item
        else:
            yield str(index), item


def _items(source: _Source) -> Iterator[tuple[str, object]]:
    if isinstance(source, Mapping):
        return ((name, source[name]) for name in source)
    return source


def _take(label: str, source: _Source, name: str, leader: str) -> object:
    if isinstance(source, Mapping):
        if name not in source:
            raise ValueError(f"{label} must have {_called(name)}, as {leader} has")
        return source[name]
    found, leaf = next(source, (None, None))
    if found != name:
        given = "nothing" if found is None else _called(found)
        raise ValueError(f"{label} must yield {_called(name)}, as {leader} does, not {given}")
    return leaf


def _check_used_up(label: str, source: _Source, names: set[str], leader: str) -> None:
    if isinstance(source, Mapping):
        left = next((name for name in source if name not in names), None)
    else:
        left = next(source, (None, None))[0]
    if left is not None:
        raise ValueError(f"{leader} must have {_called(left)}, as {label} has")


def _check_shapes(name: str, tensors: Mapping[str, Tensor]) -> None:
    known = {label: tensor.shape for label, tensor in tensors.items() if tensor.present}
    first = next(iter(known), None)
    for label, shape in known.items():
        if first is not None and shape != known[first]:
            raise ValueError(
                f"{_place(label, name)} must have shape {known[first]} as in {first}, not {shape}"
            )


def _check_apart(name: str, tensors: Mapping[str, Tensor]) -> None:
    """Refuse two gradients in one buffer: one of them was overwritten, and both look alike.

    The parameters of an `Update` may be an extra column as well: they look the same in both.
    """
    owner: dict[int, str] = {}
    for label, tensor in tensors.items():
        if tensor.address is None:
            continue
        other = owner.setdefault(tensor.address, label)
        if other != label and not _may_be_one(other, label):
            raise ValueError(
                f"{_place(label, name)} must not share memory with "
                f"{other}: clone each gradient before the next backward pass"
            )


def _may_be_one(one: str, other: str) -> bool:
    pairs = ((one, other), (other, one))
    return any(first in _STEPPED and second.startswith("extra[") for first, second in pairs)


def _called(name: str) -> str:
    return f"the parameter {name!r}" if name else "an array"


def _place(label: str, name: str) -> str:
    return f"{label}[{name!r}]" if name else label
