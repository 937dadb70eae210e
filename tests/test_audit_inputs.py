"""What the audit takes: arrays of any framework, nested or streamed, and what it refuses."""

import ast
import sys
import tracemalloc
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from audits import Gradient, plus, random_parts, times, weighted

import gradexplain.audit
from gradexplain import Report, Verdict, audit_accumulation
from gradexplain.audit.inputs import walk
from gradexplain.audit.tensors import to_tensor

COUNTS = [10.0, 90.0, 30.0, 5.0]
RIGHT = np.array(COUNTS) / sum(COUNTS)
PARTS = random_parts(dtype=np.float32)
A = weighted(RIGHT, PARTS)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def verdicts_through(wrap: Callable[[Gradient], Any]) -> list[Verdict]:
    """Audit a right and a wrong A, each handed in as `wrap` makes it."""
    return [
        audit_accumulation(
            wrap(weighted(weights, PARTS)), [wrap(part) for part in PARTS], COUNTS
        ).verdict
        for weights in (RIGHT, np.ones(4) / 4)
    ]


# Stand-ins for the frameworks' arrays: what each can do, and what it refuses, as they do


class Torch:
    """As a torch.Tensor that requires a gradient: NumPy may not touch it before detach()."""

    is_sparse = False

    def __init__(
        self, values: npt.NDArray[Any], dtype: str = "float32", device: str = "cpu"
    ) -> None:
        self.values, self.device, self.free = values, device, False
        self.dtype = f"torch.{dtype}"

    def detach(self) -> "Torch":
        copy = Torch(self.values, self.dtype.removeprefix("torch."), self.device)
        copy.free = True
        return copy

    def cpu(self) -> "Torch":
        self.device = "cpu"
        return self

    def float(self) -> "Torch":
        wide = Torch(self.values.astype(np.float32), "float32", self.device)
        wide.free = self.free
        return wide

    def data_ptr(self) -> int:
        return int(self.values.__array_interface__["data"][0])

    def numpy(self) -> npt.NDArray[Any]:
        if not self.free or self.device != "cpu" or self.dtype == "torch.bfloat16":
            raise TypeError("can't convert to numpy")
        return self.values

    def __array__(self, *_: object) -> npt.NDArray[Any]:
        raise AssertionError("must be detached")


class SparseTorch(Torch):
    """As torch.sparse_coo: rows of an embedding."""

    is_sparse = True

    def to_dense(self) -> Torch:
        return self

    def detach(self) -> "SparseTorch":
        copy = SparseTorch(self.values)
        copy.free = True
        return copy


class Jax:
    """As a jax.Array: it has __array__, and its bfloat16 is ml_dtypes'."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.values, self.dtype = values, values.dtype

    def __array__(self, *_: object, **__: object) -> npt.NDArray[Any]:
        return self.values


class TensorFlow:
    """As an EagerTensor."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.values, self.dtype = values, SimpleNamespace(name=values.dtype.name)

    def numpy(self) -> npt.NDArray[Any]:
        return self.values


class Slices:
    """As TensorFlow's IndexedSlices: an embedding's rows, the same one perhaps twice."""

    def __init__(self, whole: npt.NDArray[Any]) -> None:
        whole = np.atleast_2d(whole)
        half = (whole / 2).astype(whole.dtype)
        self.values = TensorFlow(np.concatenate([half, half]))
        self.indices = TensorFlow(np.tile(np.arange(len(whole)), 2)).numpy()
        self.dense_shape, self.dtype = np.array(whole.shape), self.values.dtype


class Mlx:
    """As an mlx.core.array: NumPy reads it, but for bfloat16."""

    __module__ = "mlx.core"

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.values, self.dtype = values, f"mlx.core.{values.dtype.name}"

    def astype(self, dtype: npt.DTypeLike) -> "Mlx":
        return Mlx(self.values.astype(dtype))

    def __array__(self, *_: object, **__: object) -> npt.NDArray[Any]:
        if self.dtype.endswith("bfloat16"):
            raise RuntimeError("Item size 2 for PEP 3118 buffer format string B")
        return self.values


class Dlpack:
    """As any array that has nothing but __dlpack__."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.values = values

    def __dlpack__(self, **options: Any) -> object:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


@pytest.mark.parametrize("kind", [Torch, SparseTorch, Jax, TensorFlow, Slices, Dlpack, Mlx])
def test_arrays_are_known_by_what_they_can_do(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlx.core", SimpleNamespace(float32=np.float32))

    def wrap(gradient: Gradient) -> dict[str, object]:
        return {name: kind(np.asarray(value)) for name, value in gradient.items() if value.ndim}

    assert verdicts_through(wrap) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]


def test_a_tensor_on_another_device_is_fetched() -> None:
    def wrap(gradient: Gradient) -> dict[str, Torch]:
        return {n: Torch(np.asarray(v), device="cuda") for n, v in gradient.items()}

    assert verdicts_through(wrap) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda values: values,
        Jax,
        TensorFlow,
        Mlx,
        lambda values: Torch(values, "bfloat16"),
    ],
    ids=["ml_dtypes", "jax", "tensorflow", "mlx", "torch"],
)
def test_bfloat16_is_widened_exactly_and_its_tolerance_is_its_own(
    wrap: Callable[[npt.NDArray[Any]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlx.core", SimpleNamespace(float32=np.float32))
    values = np.array([1.0, -2.5, 3e-39, 3e38, 1 / 3], np.float32).astype(BFLOAT16)
    tensor = to_tensor("accumulated", wrap(values))
    assert tensor.dtype == "bfloat16"
    assert tensor.flat.dtype == np.float32
    assert tensor.flat.tolist() == values.astype(np.float32).tolist()


def test_the_coarsest_dtype_seen_sets_the_tolerance() -> None:
    def tolerance(*dtypes: npt.DTypeLike, arithmetic: str | None = None) -> float:
        gradients = [g["w"].astype(d) for g, d in zip([A, *PARTS], dtypes, strict=True)]
        report = audit_accumulation(gradients[0], gradients[1:], COUNTS, arithmetic=arithmetic)
        return report.tolerance

    f64, f32, f16 = np.float64, np.float32, np.float16
    assert tolerance(f64, f64, f64, f64, f64) == pytest.approx(1e-7, rel=1e-3)
    assert tolerance(f32, f64, f64, f64, f64) == pytest.approx(32 * 2**-24)
    assert tolerance(f64, f64, f64, f64, f32) == pytest.approx(32 * 2**-24)
    assert tolerance(f32, f32, f16, f32, f32) == pytest.approx(8 * 2**-11, rel=1e-3)
    assert tolerance(f32, f32, BFLOAT16, f16, f32) == pytest.approx(8 * 2**-8)
    assert tolerance(f32, f32, f32, f32, f32, arithmetic="tfloat32") == pytest.approx(8 * 2**-11)
    assert tolerance(f16, f16, f16, f16, f16, arithmetic="float32") == pytest.approx(
        8 * 2**-11, rel=1e-3
    )


def test_nested_gradients_and_lists_and_tuples() -> None:
    Layer = namedtuple("Layer", ["kernel", "bias"])  # noqa: PYI024 - as Flax and Optax have it

    def nest(gradient: Gradient) -> dict[str, object]:
        return {
            "layers": [Layer(gradient["w"], gradient["b"]), (gradient["scale"],)],
            "empty": {},
            0: gradient["w"],  # type: ignore[dict-item]
        }

    assert verdicts_through(nest) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]
    assert verdicts_through(lambda g: list(g.values())) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]
    assert verdicts_through(lambda g: g["w"]) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]
    names = [name for name, _ in walk({"accumulated": nest(A)})]
    assert names == ["layers.0.0", "layers.0.1", "layers.1.0", "0"]


def test_plain_floats_are_scalars() -> None:
    rng = np.random.default_rng(0)
    parts = rng.standard_normal((2, 20))
    accumulated = (0.25 * parts[0] + 0.75 * parts[1]).tolist()
    assert audit_accumulation(accumulated, parts.tolist(), [1, 3]).verdict is Verdict.EXACT


def test_order_and_layout_don_t_matter() -> None:
    def turned(gradient: Gradient) -> Gradient:
        return {name: np.array(value, order="F") for name, value in reversed(gradient.items())}

    report = audit_accumulation(A, [turned(part) for part in PARTS], COUNTS)
    assert report.verdict is Verdict.EXACT
    strided = [
        {n: np.repeat(v, 2, axis=-1)[..., ::2] if v.ndim else v for n, v in p.items()}
        for p in PARTS
    ]
    assert audit_accumulation(A, strided, COUNTS).verdict is Verdict.EXACT


def test_a_parameter_without_gradient_counts_as_zero() -> None:
    def frozen(gradient: Gradient) -> dict[str, object]:
        return {**gradient, "frozen": None}

    assert verdicts_through(frozen) == [Verdict.EXACT, Verdict.MEAN_OF_MEANS]
    idle: list[dict[str, object]] = [
        {**part, "b": None} if k == 1 else {**part} for k, part in enumerate(PARTS)
    ]
    zero = [{**part, "b": 0 * part["b"]} if k == 1 else part for k, part in enumerate(PARTS)]
    assert audit_accumulation(weighted(RIGHT, zero), idle, COUNTS).verdict is Verdict.EXACT
    assert audit_accumulation(A, idle, COUNTS).verdict is not Verdict.EXACT


# Streaming


def stream(gradient: Gradient) -> Iterator[tuple[str, object]]:
    yield from gradient.items()


def test_gradients_may_be_iterators_over_their_tensors() -> None:
    for weights, verdict in [(RIGHT, Verdict.EXACT), (np.ones(4) / 4, Verdict.MEAN_OF_MEANS)]:
        report = audit_accumulation(weighted(weights, PARTS), [stream(p) for p in PARTS], COUNTS)
        assert report.verdict is verdict
        report = audit_accumulation(
            stream(weighted(weights, PARTS)), (stream(p) for p in PARTS), COUNTS
        )
        assert report.verdict is verdict
        unnamed = [iter([part["w"], part["b"]]) for part in PARTS]
        total = weighted(weights, PARTS)
        assert audit_accumulation([total["w"], total["b"]], unnamed, COUNTS).verdict is verdict


def test_a_generator_of_parts_may_use_one_buffer_again_and_again() -> None:
    buffer = {name: np.zeros_like(value) for name, value in PARTS[0].items()}
    buffer["scale"] = np.zeros((), np.float32)

    def backward() -> Iterator[Gradient]:
        for part in PARTS:
            for name, value in part.items():
                buffer[name][...] = value
            yield buffer

    assert audit_accumulation(A, backward(), COUNTS).verdict is Verdict.EXACT


def test_a_generator_may_overwrite_a_itself() -> None:
    accumulated = {name: np.array(value) for name, value in A.items()}

    def backward() -> Iterator[Gradient]:
        for part in PARTS:
            for name, value in part.items():
                accumulated[name][...] = value
            yield accumulated

    assert audit_accumulation(accumulated, backward(), COUNTS).verdict is Verdict.EXACT


def test_streaming_holds_a_few_tensors_and_not_the_gradients() -> None:
    shapes, K = [(10, 1000)] * 200, 4

    def made(seed: int) -> Iterator[npt.NDArray[np.float32]]:
        for index, shape in enumerate(shapes):
            rng = np.random.default_rng([seed, index])
            yield rng.standard_normal(shape, np.float32)

    def total() -> Iterator[npt.NDArray[np.float32]]:
        for tensors in zip(*(made(k) for k in range(K)), strict=True):
            yield np.mean(tensors, axis=0, dtype=np.float32)

    tracemalloc.start()
    report = audit_accumulation(total(), (made(k) for k in range(K)), [1, 2, 3, 4])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.verdict is Verdict.MEAN_OF_MEANS
    gradient = 4 * 200 * 10_000
    assert 0.05 * gradient < peak < 0.25 * gradient  # most of it the block in float64


def test_nothing_that_is_handed_in_is_changed() -> None:
    before = [{n: np.array(v) for n, v in g.items()} for g in [A, *PARTS]]
    audit_accumulation(
        A, PARTS, COUNTS, full=plus(A, A), again=times(PARTS[0], 1.0), expect_factor=2
    )
    for old, new in zip(before, [A, *PARTS], strict=True):
        assert all(np.array_equal(old[name], new[name]) for name in old)


# What is refused


def refused(error: type[Exception], message: str, *args: object, **options: object) -> None:
    with pytest.raises(error) as caught:
        audit_accumulation(*args, **options)  # type: ignore[arg-type]
    assert (type(caught.value), str(caught.value)) == (error, message)


W = PARTS[0]["w"]
GOOD = [part["w"] for part in PARTS]
FLAWED = GOOD[2].copy()
FLAWED[3, 4] = np.nan
ENDLESS = GOOD[2].copy()
ENDLESS[0, 1] = -np.inf

REFUSED: list[tuple[type[Exception], str, tuple[Any, ...], dict[str, Any]]] = [
    (ValueError, "counts or full must be given, or both", (W, GOOD), {}),
    (ValueError, "parts must hold at least one gradient, but it is empty", (W, [], []), {}),
    (ValueError, "counts must be as many as the parts, 4, not 3", (W, GOOD, [1, 2, 3]), {}),
    (
        ValueError,
        "counts must be finite, at least 0 and not all 0, not [1.0, -1.0, 2.0, 3.0]",
        (W, GOOD, [1, -1, 2, 3]),
        {},
    ),
    (
        ValueError,
        "counts must be finite, at least 0 and not all 0, not [0.0, 0.0, 0.0, 0.0]",
        (W, GOOD, [0, 0, 0, 0]),
        {},
    ),
    (
        ValueError,
        "counts must be finite, at least 0 and not all 0, not [1.0, nan, 2.0, 3.0]",
        (W, GOOD, [1, float("nan"), 2, 3]),
        {},
    ),
    (
        ValueError,
        "groups must be as many labels as parts, 4, not 2",
        (W, GOOD, COUNTS),
        {"groups": "ab"},
    ),
    (
        ValueError,
        "expect_factor must be finite and not 0, not 0.0",
        (W, GOOD, COUNTS),
        {"expect_factor": 0.0},
    ),
    (
        ValueError,
        "arithmetic must be one of float64, float32, tfloat32, float16, bfloat16, not 'int8'",
        (W, GOOD, COUNTS),
        {"arithmetic": "int8"},
    ),
    (
        TypeError,
        "parts must be a sequence of gradients, not one dict",
        (W, PARTS[0], COUNTS),
        {},
    ),
    (TypeError, "accumulated must be an array, not object", (object(), GOOD, COUNTS), {}),
    (TypeError, "accumulated must be an array, not bool", (True, GOOD, COUNTS), {}),
    (
        TypeError,
        "parts[1]['w'] must be of dtype float64, float32, float16 or bfloat16, not int64",
        ({"w": W}, [{"w": GOOD[0]}, {"w": np.ones((30, 20), int)}], [1, 2]),
        {},
    ),
    (
        TypeError,
        "accumulated must be of dtype float64, float32, float16 or bfloat16, not complex128",
        (W.astype(complex), GOOD, COUNTS),
        {},
    ),
    (
        ValueError,
        "parts[2]['w'] must have shape (30, 20) as in accumulated, not (600,)",
        ({"w": W}, [{"w": g if k != 2 else g.ravel()} for k, g in enumerate(GOOD)], COUNTS),
        {},
    ),
    (
        ValueError,
        "parts[1] must have the parameter 'b', as accumulated has",
        (A, [PARTS[0], {"w": W.copy()}], [1, 2]),
        {},
    ),
    (
        ValueError,
        "accumulated must have the parameter 'b', as parts[1] has",
        ({"w": W.copy()}, [{"w": GOOD[0]}, {"w": GOOD[1], "b": W}], [1, 2]),
        {},
    ),
    (
        ValueError,
        "parts[1] must have an array, as accumulated has",
        (W, [GOOD[0], {"w": GOOD[1]}], [1, 2]),
        {},
    ),
    (
        ValueError,
        "accumulated must name each parameter once, but the parameter 'a.b' is twice",
        ({"a.b": W, "a": {"b": W}}, GOOD, COUNTS),
        {},
    ),
    (ValueError, "accumulated must hold at least one array, but it is empty", ({}, [{}], [1]), {}),
    (
        ValueError,
        "parts[2]['w'] must be finite, but it is nan at [3, 4]",
        ({"w": W.copy()}, [{"w": g} for g in [*GOOD[:2], FLAWED, GOOD[3]]], COUNTS),
        {},
    ),
    (
        ValueError,
        "parts[2] must be finite, but it is -inf at [0, 1]",
        (W.copy(), [*GOOD[:2], ENDLESS, GOOD[3]], COUNTS),
        {},
    ),
    (
        ValueError,
        "accumulated must be finite, but it is nan at [0]",
        (np.float64("nan"), [1.0, 2.0], [1, 2]),
        {},
    ),
    (
        ValueError,
        "an array must not be so large that its square overflows float64",
        (np.full(20, 1e200), [np.ones(20), np.ones(20)], [1, 2]),
        {},
    ),
    (
        ValueError,
        (
            "parts[2] must be a copy of its own, but it shares memory with parts[0]: "
            "clone each gradient before the next backward pass"
        ),
        (W.copy(), [GOOD[0], GOOD[1], GOOD[0].reshape(30, 20), GOOD[3]], COUNTS),
        {},
    ),
    (
        ValueError,
        (
            "parts[0]['w'] must be a copy of its own, but it shares memory with accumulated: "
            "clone each gradient before the next backward pass"
        ),
        ({"w": Torch(W)}, [{"w": Torch(W)}], [1]),
        {},
    ),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("error", "message", "args", "options"), REFUSED)
def test_bad_input_is_refused_by_name(
    error: type[Exception], message: str, args: tuple[Any, ...], options: dict[str, Any]
) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        refused(error, message, *args, **options)


@pytest.mark.bad_input
def test_iterators_that_fall_out_of_step_are_refused() -> None:
    refused(
        ValueError,
        "parts[1] must yield the parameter 'w', as parts[0] does, not the parameter 'b'",
        A,
        [iter([("w", W), ("b", W)]), iter([("b", W), ("w", W)])],
        [1, 2],
    )
    refused(
        ValueError,
        "parts[1] must yield the parameter '1', as parts[0] does, not nothing",
        [PARTS[0]["w"], PARTS[0]["b"]],
        [iter([GOOD[1], PARTS[1]["b"]]), iter([GOOD[2]])],
        [1, 2],
    )
    refused(
        ValueError,
        "parts[0] must have the parameter '1', as parts[1] has",
        [GOOD[0]],
        [iter([GOOD[1]]), iter([GOOD[2], GOOD[3]])],
        [1, 2],
    )
    refused(
        ValueError,
        "parts[0] must name each parameter once, but the parameter 'w' is twice",
        {"w": W},
        [iter([("w", GOOD[1]), ("w", GOOD[1])])],
        [1],
    )


@pytest.mark.bad_input
def test_a_shard_is_refused_with_what_to_do() -> None:
    class DTensor(Torch):
        def full_tensor(self) -> Torch:
            raise AssertionError("that would talk to other workers")

    refused(
        TypeError,
        "accumulated['w'] must be a whole tensor, not a shard (DTensor): "
        "call .full_tensor(), or add up sketches of the shards",
        {"w": DTensor(W)},
        [{"w": part} for part in GOOD],
        COUNTS,
    )


# The audit's place in the package


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return set(names)


def strangers(names: set[str]) -> set[str]:
    """Return what the audit may not import: all but NumPy, Python's own and itself."""
    own = ("gradexplain.audit", "numpy")
    return {
        name
        for name in names
        if not name.startswith(own) and name.partition(".")[0] not in sys.stdlib_module_names
    }


def test_the_audit_imports_numpy_and_nothing_else() -> None:
    folder = Path(gradexplain.audit.__file__).parent
    found = {path.name: strangers(imported(path)) for path in folder.glob("*.py")}
    drawing = {"gradexplain.plotting", "matplotlib.figure"}  # in plot(), when asked
    assert found.pop("report.py") == drawing
    assert set().union(*found.values()) == set()
    assert strangers({"torch", "gradexplain.network", "numpy.typing", "json"}) == {
        "torch",
        "gradexplain.network",
    }


def test_a_report_is_what_comes_back() -> None:
    assert isinstance(audit_accumulation(A, PARTS, COUNTS), Report)
