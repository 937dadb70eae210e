"""Files that were made to hurt: each is refused in a sentence, at once, within little memory."""

import json
import os
import random
import struct
import tracemalloc
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from gradexplain.audit.cli import audit_file
from gradexplain.audit.read.files import open_arrays

FILES = 2_000 if "HYPOTHESIS_EXAMPLES" in os.environ else 10_000  # where fewer are asked for
LITTLE = 4_000_000  # bytes that reading may take
TYPES = "F64, F32, F16, BF16, I64, I32"


@contextmanager
def little_memory() -> Iterator[None]:
    """Fail if more than a little is allocated at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


def refusal(path: Path, content: bytes) -> str:
    """Return in which words a file is refused."""
    path.write_bytes(content)
    with little_memory(), pytest.raises(ValueError) as caught:  # noqa: PT011 - words are compared
        dict(open_arrays(path))
    return str(caught.value)


# .npz


def described(shape: str, descr: str = "'<f8'") -> bytes:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()


def npy(header: bytes, data: bytes = b"", version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def npz(folder: Path, content: bytes, packing: int = zipfile.ZIP_STORED) -> bytes:
    path = folder / "whole.npz"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("a.npy", content)
    return path.read_bytes()


def altered(content: bytes, place: int, number: int) -> bytes:
    """Change two bytes of the archive's directory, counted from where its entry begins."""
    changed, start = bytearray(content), content.rindex(b"PK\x01\x02")
    struct.pack_into("<H", changed, start + place, number)
    return bytes(changed)


GOOD = npy(described("(1,)"), bytes(8))
SAID = "bad.npz must hold a valid array a.npy: "
#: What the array's own bytes say, and the words that refuse it; "…" where NumPy has the word.
ARRAYS: dict[str, tuple[bytes, str]] = {
    "a huge shape": (
        npy(described("(1000000000000,)"), bytes(8)),
        "its shape (1000000000000,) needs 8000000000000 bytes",
    ),
    "a negative shape": (npy(described("(-1,)"), bytes(8)), "its shape (-1,) needs -8 bytes"),
    "two negative axes": (npy(described("(-1, -1)"), bytes(8)), "…"),
    "axes that overflow": (npy(described("(0, 10" + "0" * 30 + ")")), "…"),
    "too many axes": (npy(described(f"({'1, ' * 65})"), bytes(8)), "…"),
    "numbers without a size": (
        npy(described("(1000000000000,)", "'|S0'")),
        "its dtype |S0 has no size",
    ),
    "bytes without a size": (npy(described("(9,)", "'|V0'")), "its dtype |V0 has no size"),
    "an array cut off": (
        npy(described("(3,)"), bytes(8)),
        "its shape (3,) needs 24 bytes",
    ),
    "an array too long": (npy(described("(1,)"), bytes(9)), "its shape (1,) needs 8 bytes"),
    "objects": (npy(described("(1,)", "'|O'"), b"\x80\x04K\x01...."), "…"),
    "objects in a structure": (npy(described("(1,)", "[('a', '|O')]"), bytes(8)), "…"),
    "a dtype that is none": (npy(described("(1,)", "'<x9'"), bytes(8)), "…"),
    "an open bracket": (npy(b"{'descr': ("), "…"),
    "an open string": (npy(b"'''"), "…"),
    "brackets without end": (npy(b"(" * 5000), "…"),
    "signs without end": (npy(b"-" * 9000 + b"1"), "…"),
    "a header that is no dictionary": (npy(b"[1, 2]"), "…"),
    "a header that lacks a key": (npy(b"{'descr': '<f8'}"), "…"),
    "a long header": (npy(described("(1,)") + b" " * 20_000, bytes(8)), "…"),
    "a header longer than the file": (npy(described("(1,)"), version=2)[:20], "…"),
    "an unknown version": (npy(described("(1,)"), bytes(8), version=9), "…"),
    "no array at all": (b"hello", "…"),
    "nothing": (b"", "…"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_in_an_archive_is_refused(kind: str, tmp_path: Path) -> None:
    content, words = ARRAYS[kind]
    said = refusal(tmp_path / "bad.npz", npz(tmp_path, content))
    if words == "…":
        assert said.startswith(SAID)
        assert 3 < len(said.removeprefix(SAID)) <= 200
        assert "\n" not in said
        assert "sandboxing" not in said  # NumPy's advice to trust the file
    else:
        assert said == SAID + words


#: Two bytes of the archive's directory, as altered; and the words.
ENTRIES = {
    "packed by bzip2": (10, 12, "NumPy does not compress arrays this way"),
    "packed by LZMA": (10, 14, "NumPy does not compress arrays this way"),
    "packed by Zstandard": (10, 93, "NumPy does not compress arrays this way"),
    "another checksum": (16, 1, "Bad CRC-32 for file 'a.npy'"),
    "declared shorter": (24, 70, "Bad CRC-32 for file 'a.npy'"),
    "declared longer": (24, 9000, "its shape (1,) needs 8 bytes"),
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_an_archive_whose_directory_lies_is_refused(kind: str, tmp_path: Path) -> None:
    place, number, words = ENTRIES[kind]
    content = altered(npz(tmp_path, GOOD), place, number)
    assert refusal(tmp_path / "bad.npz", content) == SAID + words


def test_an_encrypted_array_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path / "bad.npz", altered(npz(tmp_path, GOOD), 8, 1))
    assert said.startswith(SAID)
    assert said.endswith("is encrypted, password required for extraction")


@pytest.mark.parametrize("left", [0, 10, 90, -1])
def test_an_archive_cut_off_is_refused(left: int, tmp_path: Path) -> None:
    said = refusal(tmp_path / "bad.npz", npz(tmp_path, GOOD)[:left])
    assert said == "bad.npz must be a file that numpy.savez wrote: File is not a zip file"


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    content = npz(tmp_path, bytes(2**27), zipfile.ZIP_DEFLATED)
    assert refusal(tmp_path / "bad.npz", content) == (
        f"bad.npz must not unpack to more than 200 times its size, but {len(content)} bytes "
        f"declare {2**27}: write it with numpy.savez, not savez_compressed"
    )


def test_a_bomb_of_many_names_for_the_same_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(2**20))
        for k in range(99):
            archive.filelist.append(renamed(archive.infolist()[0], f"{k}.npy"))
    content = path.read_bytes()
    assert refusal(path, content) == (
        f"bad.npz must not unpack to more than 200 times its size, but {len(content)} bytes "
        f"declare {100 * 2**20}: write it with numpy.savez, not savez_compressed"
    )


def renamed(member: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    """Return another entry of the directory, for the same place of the file."""
    other = zipfile.ZipInfo(name)
    for slot in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
        setattr(other, slot, getattr(member, slot))
    return other


def test_numbers_of_another_kind_are_read_but_not_audited(tmp_path: Path) -> None:
    for descr in ("'|S8'", "'<U2'", "'<M8[ns]'", "[('a', '<f8')]", "'<c8'", "'|V8'"):
        path = tmp_path / "bad.npz"
        content = npz(tmp_path, npy(described("(1,)", descr), bytes(8)))
        path.write_bytes(content)
        assert set(open_arrays(path)) == {"a"}
        array = npy(described("(1,)", descr), bytes(8))
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("accumulated", "parts/0"):
                archive.writestr(f"{name}.npy", array)
            archive.writestr("counts.npy", GOOD)
        with pytest.raises((TypeError, ValueError), match=r"^\S.* must .*, not "):
            audit_file(path)


# .safetensors


def tensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape: list[int], name: str = "a", dtype: str = "F32", size: int = 0) -> bytes:
    entry = {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}
    return tensors({name: entry}, bytes(size))


PLACED = "bad.safetensors must give 'a' a shape and two data_offsets"
#: A file's bytes, and the words that refuse it.
TENSORS: dict[str, tuple[bytes, str]] = {
    "cut in the length": (b"123", "bad.safetensors must have a header of at most 0 bytes"),
    "cut in the header": (
        tensor([1], size=4)[:20],
        "bad.safetensors must have a header of at most 12 bytes",
    ),
    "cut in the data": (
        tensor([2], size=8)[:-1],
        "bad.safetensors must hold 'a' of F32 and shape [2] in bytes 0 to 8, of 7",
    ),
    "a shape that is a number": (
        tensors({"a": {"dtype": "F32", "shape": 7, "data_offsets": [0, 28]}}, bytes(28)),
        "bad.safetensors must give 'a' a shape and two data_offsets",
    ),
    "no shape": (
        tensors({"a": {"dtype": "F32", "data_offsets": [0, 28]}}, bytes(28)),
        "bad.safetensors must give 'a' a shape and two data_offsets",
    ),
    "a name without end": (
        tensors(json.dumps({"a" * 1001: {}}).encode()),
        "bad.safetensors must begin with a valid JSON header: a name has more than 1000 letters",
    ),
    "a type without end": (
        tensors(json.dumps({"a": {"dtype": "F" * 10**6}}).encode()),
        f"bad.safetensors must give 'a' a dtype of {TYPES}, not '{'F' * 199}",
    ),
    "a header of exabytes": (
        struct.pack("<Q", 2**62) + b"{}",
        "bad.safetensors must have a header of at most 2 bytes",
    ),
    "a huge shape": (
        tensor([2**40], size=4),
        "bad.safetensors must hold 'a' of F32 and shape [1099511627776] in bytes 0 to 4, of 4",
    ),
    "an axis past counting": (tensor([10**4000]), PLACED),
    "an empty array with an axis past counting": (tensor([0, 10**4000]), PLACED),
    "the same in bfloat16": (tensor([0, 10**4000], dtype="BF16"), PLACED),
    "an empty array of too much": (
        tensor([0, 2**40, 2**40]),
        (
            "bad.safetensors must hold 'a' of F32 and shape [0, 1099511627776, 1099511627776] "
            "in bytes 0 to 0, of 0"
        ),
    ),
    "a negative axis": (tensor([-1]), PLACED),
    "a dtype that is no number": (
        tensor([1], dtype="BOOL", size=1),
        f"bad.safetensors must give 'a' a dtype of {TYPES}, not 'BOOL'",
    ),
    "half a surrogate for a name": (
        tensor([1], name="\ud800", size=4),
        r"bad.safetensors must give its arrays printable names, not '\ud800'",
    ),
    "a name that recolors a terminal": (
        tensor([1], name="\x1b[31m", size=4),
        r"bad.safetensors must give its arrays printable names, not '\x1b[31m'",
    ),
    "brackets without end": (
        tensors(b"[" * 100_000),
        "bad.safetensors must begin with a valid JSON header: …",
    ),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_a_hostile_safetensors_file_is_refused(kind: str, tmp_path: Path) -> None:
    content, words = TENSORS[kind]
    said = refusal(tmp_path / "bad.safetensors", content)
    start, python_s, _ = words.partition("…")  # Python has the word
    assert said == words or (python_s and said.startswith(start) and len(said) > len(start))


def test_a_name_may_be_long(tmp_path: Path) -> None:
    path, name = tmp_path / "a.safetensors", "a" * 1000
    path.write_bytes(
        tensors({name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4))
    )
    assert list(open_arrays(path)) == [name]


def test_a_large_file_of_nothing_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    text = json.dumps({"a": {"dtype": "F32", "shape": [2**26], "data_offsets": [0, 2**28]}})
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text.encode())
        file.truncate(8 + len(text) + 2**28)  # a hole: it takes no place on the disk
    with little_memory():
        array: Any = open_arrays(path)["a"]
        assert (array.shape, array[-1]) == ((2**26,), 0)


# All of them, at random


def step() -> dict[str, Any]:
    """Return a small step that both kinds of file can hold."""
    parts = np.random.default_rng(0).standard_normal((2, 16))
    named = {"accumulated": parts.mean(axis=0), "parts/0": parts[0], "parts/1": parts[1]}
    return {**named, "counts": np.array([1.0, 2.0])}


def saved(path: Path) -> bytes:
    write: Callable[..., object] = np.savez if path.suffix == ".npz" else save_tensors
    write(path, **step())
    return path.read_bytes()


def save_tensors(path: Path, **arrays: Any) -> None:
    safetensors.numpy.save_file(arrays, path)


def mutated(whole: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one or two places changed, and one file in ten cut off."""
    content, heads = bytearray(whole), [i for i in range(len(whole)) if whole[i : i + 2] == b"PK"]
    for _ in range(rng.randint(1, 2)):
        near = rng.choice(heads or [0]) + rng.randrange(400)  # where a file says what it holds
        at = rng.choice([near, rng.randrange(len(whole))])
        cut, put = rng.choice([(1, 1), (1, 1), (1, 1), (4, 4), (0, 1), (1, 0), (8, 2)])
        odd = [0, 1, 127, 128, 255, ord("-"), ord("("), ord("9"), ord("'")]
        content[at : at + cut] = bytes(rng.choice([rng.randrange(256), *odd]) for _ in range(put))
    return bytes(content[: rng.randrange(len(content)) if rng.random() < 0.1 else None])


def outcome(path: Path) -> str:
    try:
        audit_file(path)
    except (ValueError, TypeError) as error:
        return "refused" if str(error) and "\n" not in str(error) else "refused without a sentence"
    return "read"


@pytest.mark.bad_input  # the shape checks would take most of the time
@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
def test_thousands_of_mutated_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    whole, rng = saved(path), random.Random(7)  # noqa: S311 - no secret
    outcomes: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*created on Python 2")  # NumPy reads it all the same
        for k in range(FILES // 2):
            path.write_bytes(mutated(whole, rng))
            with nullcontext() if k % 10 else little_memory():
                outcomes[outcome(path)] += 1
    assert set(outcomes) == {"read", "refused"}
    assert min(outcomes.values()) > FILES // 50
