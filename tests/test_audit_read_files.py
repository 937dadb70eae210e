"""Files: what other tools write is read, what is damaged is refused."""

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
from audits import COUNTS, RIGHT, plus, random_parts, weighted
from steps import PARTS, both, step_of, write

from gradexplain import Verdict, audit_accumulation
from gradexplain.audit.cli import audit_file
from gradexplain.audit.read.files import open_arrays

# Reading


@both
def test_a_step_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    report = audit_file(write(tmp_path / name, step_of()))
    assert report.verdict is Verdict.EXACT
    assert [part.count for part in report.parts] == [10, 90, 30, 5]
    assert report.weights == pytest.approx(RIGHT, rel=1e-6)
    report = audit_file(write(tmp_path / name, step_of(4 * RIGHT)), expect_factor=4)
    assert report.verdict is Verdict.EXACT
    report = audit_file(write(tmp_path / name, step_of()), arithmetic="bfloat16")
    assert report.tolerated == pytest.approx(8 * 2**-8)


@both
def test_all_that_a_step_may_hold_is_used(name: str, tmp_path: Path) -> None:
    theta, right = random_parts(1, seed=9, dtype=np.float32)[0], weighted(RIGHT, PARTS)
    decayed = step_of(more={"accumulated": plus(right, theta, 0.5), "extra/theta": theta})
    assert audit_file(write(tmp_path / name, decayed)).verdict is Verdict.EXTRA_TERM
    moved = step_of(more={"again": theta})
    assert audit_file(write(tmp_path / name, moved)).verdict is Verdict.NOT_REPRODUCIBLE
    stale = step_of(more={"full": theta})
    assert audit_file(write(tmp_path / name, stale)).verdict is Verdict.NOT_A_MEAN
    without_counts = step_of(more={"full": right})
    del without_counts["counts"]
    assert audit_file(write(tmp_path / name, without_counts)).verdict is Verdict.EXACT
    grouped = step_of(np.append(RIGHT[:3] / RIGHT[:3].sum() / 2, 1 / 2))
    grouped["groups"] = np.array([0, 0, 0, 1])
    assert audit_file(write(tmp_path / name, grouped)).verdict is Verdict.MEAN_OF_GROUP_MEANS


@both
def test_a_gradient_may_be_one_array_without_a_name(name: str, tmp_path: Path) -> None:
    step = {f"parts/{k}": part["w"] for k, part in enumerate(PARTS)}
    step |= {"accumulated": weighted(RIGHT, PARTS)["w"], "counts": np.array(COUNTS)}
    path = write(tmp_path / name, step)
    assert audit_file(path).verdict is Verdict.EXACT
    assert list(open_arrays(path).under("parts/1")) == [""]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_every_dtype_of_safetensors_is_read_exactly(dtype: npt.DTypeLike, tmp_path: Path) -> None:
    arrays = {"a": PARTS[0]["w"].astype(dtype), "scalar": np.array(1.5, dtype)}
    arrays["nothing"] = np.zeros((0, 3), dtype)
    found = open_arrays(write(tmp_path / "a.safetensors", arrays))
    assert set(found) == set(arrays)
    assert len(found) == 3
    for name, array in arrays.items():
        read: Any = found[name]
        flat = read.flat if np.dtype(dtype).name == "bfloat16" else read.ravel()
        assert read.shape == array.shape
        assert str(read.dtype) == np.dtype(dtype).name
        assert np.asarray(flat).tolist() == array.astype(np.float64).ravel().tolist()


def test_as_many_axes_as_numpy_allows_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(entry(shape=[1] * 64))
    read: Any = open_arrays(tmp_path / "a.safetensors")["a"]
    assert read.shape == (1,) * 64


def test_safetensors_is_mapped_and_not_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", {"a": np.arange(6.0), "b": np.ones(3)})
    array: Any = open_arrays(path)["a"]
    assert not array.flags.writeable
    while not isinstance(array, np.memmap):
        array = array.base
    assert isinstance(array, np.memmap)


def test_paths_stand_for_gradients(tmp_path: Path) -> None:
    paths = [tmp_path / f"{k}.safetensors" for k in range(4)]
    for path, part in zip(paths, PARTS, strict=True):
        write(path, {name: np.asarray(value) for name, value in part.items()})
    total = {name: np.asarray(value) for name, value in weighted(RIGHT, PARTS).items()}
    accumulated = write(tmp_path / "A.npz", total)
    assert audit_accumulation(accumulated, paths, counts=COUNTS).verdict is Verdict.EXACT
    assert (
        audit_accumulation(accumulated, (p for p in paths), counts=COUNTS).verdict is Verdict.EXACT
    )
    assert audit_accumulation(paths[1], paths, counts=COUNTS).verdict is Verdict.DROPPED


# Damage


def refused(message: str, path: Path, content: bytes | None = None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        dict(open_arrays(path))
    assert str(caught.value) == message


def safetensors_file(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: object = "F32", shape: object = (1,), offsets: object = (0, 4)) -> bytes:
    return safetensors_file(
        {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}, b"1234"
    )


TYPES = "F64, F32, F16, BF16, I64, I32"
DAMAGED = [
    (b"", "bad.safetensors must have a header of at most 0 bytes"),
    (b"1234567", "bad.safetensors must have a header of at most 0 bytes"),
    (
        bytes(8),
        (
            "bad.safetensors must begin with a valid JSON header: "
            "Expecting value: line 1 column 1 (char 0)"
        ),
    ),
    (struct.pack("<Q", 2**63), "bad.safetensors must have a header of at most 0 bytes"),
    (struct.pack("<Q", 4) + b"{}", "bad.safetensors must have a header of at most 2 bytes"),
    (safetensors_file([1]), "bad.safetensors must begin with a JSON header that names tensors"),
    (
        safetensors_file(b'{"a": 1, "a": 2}'),
        "bad.safetensors must begin with a valid JSON header: a name is given twice",
    ),
    (safetensors_file({"a": 7}), f"bad.safetensors must give 'a' a dtype of {TYPES}, not None"),
    (entry(dtype="I8"), f"bad.safetensors must give 'a' a dtype of {TYPES}, not 'I8'"),
    (entry(dtype=["F32"]), f"bad.safetensors must give 'a' a dtype of {TYPES}, not ['F32']"),
    (entry(shape="11"), "bad.safetensors must give 'a' a shape and two data_offsets"),
    (entry(shape=[-1]), "bad.safetensors must give 'a' a shape and two data_offsets"),
    (entry(shape=[1] * 65), "bad.safetensors must give 'a' a shape and two data_offsets"),
    (entry(offsets=[0]), "bad.safetensors must give 'a' a shape and two data_offsets"),
    (entry(offsets=[0, True]), "bad.safetensors must give 'a' a shape and two data_offsets"),
    (
        entry(shape=[2]),
        "bad.safetensors must hold 'a' of F32 and shape [2] in bytes 0 to 4, of 4",
    ),
    (
        entry(offsets=[4, 8]),
        "bad.safetensors must hold 'a' of F32 and shape [1] in bytes 4 to 8, of 4",
    ),
    (
        entry(offsets=[4, 0]),
        "bad.safetensors must hold 'a' of F32 and shape [1] in bytes 4 to 0, of 4",
    ),
    (
        entry(shape=[2**40, 2**40], offsets=[0, 4]),
        (
            "bad.safetensors must hold 'a' of F32 and shape [1099511627776, 1099511627776] "
            "in bytes 0 to 4, of 4"
        ),
    ),
    (
        safetensors_file(
            {
                "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                "b": {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]},
            },
            b"123456",
        ),
        "bad.safetensors must not let tensors overlap, but 'b' overlaps",
    ),
]


@pytest.mark.parametrize(("content", "message"), DAMAGED)
def test_damaged_safetensors_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    refused(message, tmp_path / "bad.safetensors", content)


def test_headers_that_are_no_json_are_refused(tmp_path: Path) -> None:
    for text in [b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b"{} {}"]:
        path = tmp_path / "bad.safetensors"
        path.write_bytes(safetensors_file(text))
        with pytest.raises(ValueError, match=r"^bad\.safetensors must begin with a valid JSON"):
            open_arrays(path)


def test_a_longer_header_than_the_format_allows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors_file(b"{}", bytes(9)))
    monkeypatch.setattr("gradexplain.audit.read.files._HEADER", 2)
    assert list(open_arrays(path)) == []
    monkeypatch.setattr("gradexplain.audit.read.files._HEADER", 1)
    refused("a.safetensors must have a header of at most 1 bytes", path)


def test_metadata_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.numpy.save_file({"a": np.ones(2)}, path, metadata={"format": "pt"})
    assert list(open_arrays(path)) == ["a"]


def test_only_two_kinds_of_file_are_known(tmp_path: Path) -> None:
    path = tmp_path / "step.pt"
    path.touch()
    wanted = "must be a path that ends in .npz or .safetensors, not"
    refused(f"file {wanted} {str(path)!r}", path)
    refused(f"file {wanted} '.'", Path())


@pytest.mark.bad_input
def test_a_path_to_another_kind_of_file_is_named_as_it_was_given() -> None:
    with pytest.raises(ValueError, match=r"^parts\[0\] must be a path that ends in .* 'hello'$"):
        audit_accumulation(PARTS[0], ["hello", PARTS[1]], counts=[1, 2])


def npz(path: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(header: bytes, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(2**27))
    size = path.stat().st_size
    refused(
        "bomb.npz must not unpack to more than 200 times its size, but "
        f"{size} bytes declare {2**27}: write it with numpy.savez, not savez_compressed",
        path,
    )


def test_a_file_may_grow_two_hundredfold_and_by_what_it_may_in_any_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, room = npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", bytes(8)), 50_000
    path = npz(tmp_path / "a.npz", {"a.npy": whole})
    monkeypatch.setattr("gradexplain.audit.read.files._ROOM", 0)
    assert np.array_equal(np.asarray(open_arrays(path)["a"]), [0.0])
    path = npz(tmp_path / "b.npz", {"b.npy": bytes(100_000)}, zipfile.ZIP_DEFLATED)
    room = 100_000 - 200 * path.stat().st_size
    assert room > 0
    monkeypatch.setattr("gradexplain.audit.read.files._ROOM", room)
    assert list(open_arrays(path)) == ["b"]
    monkeypatch.setattr("gradexplain.audit.read.files._ROOM", room - 1)
    with pytest.raises(ValueError, match=r"^b\.npz must not unpack to more than 200 times"):
        open_arrays(path)


def test_a_header_that_declares_more_than_there_is_allocates_nothing(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"
    path = npz(tmp_path / "a.npz", {"a.npy": npy(header, bytes(8))})
    refused(
        "a.npz must hold a valid array a.npy: its shape (1000000000000,) needs 8000000000000 bytes",
        path,
    )


class Trap:
    """Fails the test that unpickles it."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (pytest.fail, ("unpickled",))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.array([Trap()], object))
    with pytest.raises(ValueError, match=r"^a\.npz must hold a valid array a\.npy: "):
        dict(open_arrays(path))
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (50,)}"
    pickled = pickle.dumps(np.array([Trap()] * 50, object)).ljust(400, b"\0")
    npz(path, {"a.npy": npy(header, pickled)})  # as many bytes as 50 places would take
    refused(
        "a.npz must hold a valid array a.npy: "
        "Object arrays cannot be loaded when allow_pickle=False",
        path,
    )


def test_a_name_twice_and_other_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.npy", b"")
    refused("a.npz must name each array once", path)
    refused(
        "b.npz must be a file that numpy.savez wrote: File is not a zip file",
        tmp_path / "b.npz",
        b"PK no zip",
    )
    with pytest.raises(ValueError, match=r"^c\.npz must hold a valid array readme\.txt: "):
        dict(open_arrays(npz(tmp_path / "c.npz", {"readme.txt": b"hello"})))


def test_a_fortran_order_and_a_compressed_array_are_read(tmp_path: Path) -> None:
    array = np.asfortranarray(PARTS[0]["w"])
    np.savez_compressed(tmp_path / "a.npz", a=array)
    assert np.array_equal(np.asarray(open_arrays(tmp_path / "a.npz")["a"]), array)


def test_the_later_headers_of_npy_are_read(tmp_path: Path) -> None:
    array, stream = PARTS[0]["w"], io.BytesIO()
    np.lib.format.write_array(stream, array, version=(2, 0))
    path = npz(tmp_path / "a.npz", {"a.npy": stream.getvalue()})
    assert np.array_equal(np.asarray(open_arrays(path)["a"]), array)


@both
def test_a_mutated_file_is_read_or_refused_and_nothing_else(name: str, tmp_path: Path) -> None:
    step = {name: value[:2] if value.ndim else value for name, value in step_of().items()}
    whole = Path(write(tmp_path / name, {**step, "counts": np.array(COUNTS)})).read_bytes()
    rng, path, outcomes = random.Random(0), tmp_path / f"mutated-{name}", set()  # noqa: S311 - no secret
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(content) if rng.random() < 0.5 else 900)
            cut, put = rng.choice([(1, 1), (1, 1), (4, 4), (0, 1), (1, 0), (8, 2)])
            content[at : at + cut] = rng.randbytes(put)
        path.write_bytes(content[: rng.randrange(len(content)) if rng.random() < 0.1 else None])
        try:
            audit_file(path)
        except (ValueError, TypeError) as error:
            outcomes.add("refused" if str(error) else "refused without a word")
        else:
            outcomes.add("read")
    assert outcomes == {"read", "refused"}
