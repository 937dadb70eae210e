"""Gradients in .npz and .safetensors files, read one array at a time, by code that trusts no file.

safetensors: eight bytes give the length of a JSON header, which gives each tensor's dtype, shape
and place in the bytes that follow (https://github.com/huggingface/safetensors#format).
"""

import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from gradexplain.audit.read.tensors import Tensor, widen_bfloat16

_HEADER = 100_000_000  # bytes: the format's own limit
_SWELL = 200  # a file may grow so many times when unpacked; gradients hardly shrink at all
_ROOM = 1 << 26  # bytes that it may grow to in any case
_NAME = 1000  # letters
_AXES = 64  # as many as NumPy allows
_SIZE = 1 << 59  # and so many elements
_PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # as NumPy writes them
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}

#: What NumPy's and Python's readers raise on bytes that are not what they say.
_DAMAGE: tuple[type[Exception], ...] = (ValueError, TypeError, EOFError, RuntimeError, OSError)
_DAMAGE += (SyntaxError, OverflowError, MemoryError, struct.error, zlib.error)
_DAMAGE += (zipfile.BadZipFile, tokenize.TokenError)


class Stored(Mapping[str, object]):
    """Arrays by name, each read from its file when it is asked for."""

    def __init__(self, loaders: Mapping[str, Callable[[], object]]) -> None:
        """Hold a function per name that returns its array."""
        self._loaders = dict(loaders)

    def __getitem__(self, name: str) -> object:
        """Read the array of this name."""
        return self._loaders[name]()

    def __iter__(self) -> Iterator[str]:
        """Yield the names, in the file's order."""
        return iter(self._loaders)

    def __len__(self) -> int:
        """Return how many arrays there are."""
        return len(self._loaders)

    def under(self, prefix: str) -> "Stored":
        """Return the arrays named `prefix/name`, by name; or the one named `prefix`, by ''.

        Raises:
            ValueError: there are both.
        """
        start = f"{prefix}/"
        found = {n[len(start) :]: f for n, f in self._loaders.items() if n.startswith(start)}
        if prefix not in self._loaders:
            return Stored(found)
        if found:
            raise ValueError(f"{prefix} must be one array or several, {prefix}/NAME, not both")
        return Stored({"": self._loaders[prefix]})


def open_arrays(path: str | Path, label: str = "file") -> Stored:
    """Open a .npz or .safetensors file without reading its arrays.

    Args:
        path: the file.
        label: how an error names the argument that the path was given as.

    Raises:
        ValueError: the name ends otherwise, or the file is damaged, or its sizes or names can't be.
        OSError: there is no such file, or it can't be read.
    """
    path = Path(path)
    readers = {".npz": _open_npz, ".safetensors": _open_safetensors}
    if path.suffix not in readers:
        raise ValueError(
            f"{label} must be a path that ends in .npz or .safetensors, not {str(path)!r}"
        )
    loaders = readers[path.suffix](path)
    if odd := [name[:99] for name in loaders if not name.isprintable()]:
        raise ValueError(f"{path.name} must give its arrays printable names, not {odd[0]!r}")
    return Stored(loaders)


def _open_npz(path: Path) -> dict[str, Callable[[], object]]:
    packed = path.stat().st_size
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as damage:
        raise _broken(f"{path.name} must be a file that numpy.savez wrote", damage) from None
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > _SWELL * packed + _ROOM:
        raise ValueError(
            f"{path.name} must not unpack to more than {_SWELL} times its size, but {packed} bytes "
            f"declare {unpacked}: write it with numpy.savez, not savez_compressed"
        )
    named = {member.filename.removesuffix(".npy"): member for member in members}
    if len(named) < len(members):
        raise ValueError(f"{path.name} must name each array once")

    def loader(member: zipfile.ZipInfo) -> Callable[[], object]:
        return lambda: _read_npy(path.name, archive, member)

    return {name: loader(member) for name, member in named.items()}


def _read_npy(file: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    try:
        if member.compress_type not in _PACKED:
            raise ValueError("NumPy does not compress arrays this way")
        with archive.open(member) as stream:
            old = npy.read_magic(stream) == (1, 0)
            read = npy.read_array_header_1_0 if old else npy.read_array_header_2_0
            shape, _, dtype = read(stream)
            if dtype.itemsize == 0:
                raise ValueError(f"its dtype {dtype.str} has no size")
            length = math.prod(shape) * dtype.itemsize
            if stream.tell() + length != member.file_size:
                raise ValueError(f"its shape {shape} needs {length} bytes")
        with archive.open(member) as stream:
            return npy.read_array(stream, allow_pickle=False)
    except _DAMAGE as damage:
        raise _broken(f"{file} must hold a valid array {member.filename}", damage) from None


def _broken(must: str, damage: Exception) -> ValueError:
    """Say what must be, and what the damage is: its first line, as the rest may be the file."""
    line = str(damage).partition("\n")[0] or type(damage).__name__
    return ValueError(f"{must}: {line[:200]}")


def _open_safetensors(path: Path) -> dict[str, Callable[[], object]]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        limit = min(max(size - 8, 0), _HEADER)
        if size < 8 or length > limit:
            raise ValueError(f"{path.name} must have a header of at most {limit} bytes")
        header = _parsed(path.name, stream.read(length))
    header.pop("__metadata__", None)
    room = size - 8 - length
    places = sorted(_place(path.name, name, entry, room) for name, entry in header.items())
    for (_, free, _), (begin, _, name) in pairwise(places):
        if begin < free:
            raise ValueError(f"{path.name} must not let tensors overlap, but {name!r} overlaps")
    mapped = np.memmap(path, np.uint8, "r")[8 + length :]

    def loader(entry: dict[str, Any]) -> Callable[[], object]:
        return lambda: _view(mapped, entry)

    return {name: loader(entry) for name, entry in header.items()}


def _parsed(file: str, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as damage:
        raise _broken(f"{file} must begin with a valid JSON header", damage) from None
    if not isinstance(header, dict):
        raise ValueError(f"{file} must begin with a JSON header that names tensors")  # noqa: TRY004
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a name is given twice")
    if any(len(key) > _NAME for key, _ in pairs):
        raise ValueError(f"a name has more than {_NAME} letters")
    return dict(pairs)


def _place(file: str, name: str, entry: object, room: int) -> tuple[int, int, str]:
    """Check a tensor's entry and return where it begins and ends."""
    known: dict[str, Any] = entry if isinstance(entry, dict) else {}
    dtype, shape, place = known.get("dtype"), known.get("shape"), known.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _TYPES:
        given = f"{name!r} a dtype of {', '.join(_TYPES)}, not {repr(dtype)[:200]}"
        raise ValueError(f"{file} must give {given}")
    if not _sizes(shape) or not _sizes(place) or len(place) != 2:
        raise ValueError(f"{file} must give {name!r} a shape and two data_offsets")
    begin, end = place
    length = math.prod(shape) * np.dtype(_TYPES[dtype]).itemsize
    much = math.prod(n or 1 for n in shape) > _SIZE  # NumPy counts so, though an axis is empty
    if much or length != end - begin or not begin <= end <= room:
        given = f"{name!r} of {dtype} and shape {shape} in bytes {begin} to {end}, of {room}"
        raise ValueError(f"{file} must hold {given}")
    return begin, end, name


def _sizes(value: object) -> TypeGuard[list[int]]:
    lengths = value if isinstance(value, list) else [None]
    return len(lengths) <= _AXES and all(type(n) is int and 0 <= n <= _SIZE for n in lengths)


def _view(mapped: npt.NDArray[np.uint8], entry: dict[str, Any]) -> object:
    begin, end = entry["data_offsets"]
    array: npt.NDArray[Any] = mapped[begin:end].view(_TYPES[entry["dtype"]])
    if entry["dtype"] == "BF16":
        return Tensor(widen_bfloat16(array), tuple(entry["shape"]), "bfloat16")
    return array.reshape(entry["shape"])
