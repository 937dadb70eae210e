"""The audit itself: gradients in, report out."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np

from gradexplain.audit.build import case_of, report_of
from gradexplain.audit.case import Known, Verdict
from gradexplain.audit.gram import Vector, gather
from gradexplain.audit.inputs import held
from gradexplain.audit.report import Report
from gradexplain.audit.sketch import Sketch
from gradexplain.audit.tensors import UNITS
from gradexplain.audit.verdict import decide


def audit_accumulation(  # noqa: PLR0913 - each is one thing that a user may know
    accumulated: object,
    parts: Iterable[object],
    counts: Iterable[float] | None = None,
    full: object = None,
    groups: Iterable[object] | None = None,
    *,
    again: object = None,
    extra: Mapping[str, object] | None = None,
    expect_factor: float = 1.0,
    arithmetic: str | None = None,
) -> Report:
    """Read off an accumulated gradient how it weighs its parts, and say what that means.

    A = Σ wₖ gₖ is solved for w and compared with nₖ / n. The audit reads weights, not causes. It
    says *exact* only where the faults that it knows would have shown.

    A gradient is an array; a dict, list or tuple of arrays, nested as you like; a path to a .npz or
    .safetensors file; an iterator of (name, array), read once; or a `sketch`. Arrays may be NumPy,
    PyTorch, JAX, TensorFlow or MLX; a parameter without gradient (None) counts as zero. Give
    `counts` or `full`, or both.

    Args:
        accumulated: A, what the training code would hand to its optimiser.
        parts: g₁ … g_K, each the gradient of one part's own mean loss, at the same parameters. A
            generator's gradients are copied as they come; iterators and files never held whole.
        counts: n₁ … n_K, how many targets each part's mean is over.
        full: F, the gradient of the whole batch's loss, where that fits in memory.
        groups: a label per part, such as its worker, if means may have been taken by group.
        again: the first part computed once more, which shows whether it can be reproduced.
        extra: more gradients that A may hold, by name: the parameters, the step before.
        expect_factor: a factor that A is meant to have; it is divided out.
        arithmetic: the coarsest that was computed in, where the arrays don't show it: "tfloat32",
            "bfloat16", "float16". The tolerance follows it.

    Raises:
        TypeError: an array is none, or not of floating point.
        ValueError: names, shapes or lengths differ, gradients share memory, a number is not finite,
            counts don't add up, or neither counts nor full is given.

    >>> import numpy as np
    >>> from gradexplain import audit_accumulation
    >>> rng = np.random.default_rng(0)
    >>> parts = [{"w": rng.standard_normal((20, 5))} for _ in range(2)]
    >>> accumulated = {"w": (parts[0]["w"] + parts[1]["w"]) / 2}
    >>> report = audit_accumulation(accumulated, parts, counts=[10, 90])
    >>> report.verdict.value, [round(weight, 6) for weight in report.implied], report.right
    ('mean of means', [0.5, 0.5], (0.1, 0.9))
    """
    if not np.isfinite(expect_factor) or expect_factor == 0:
        raise ValueError(f"expect_factor must be finite and not 0, not {expect_factor}")
    if arithmetic is not None and arithmetic not in UNITS:
        raise ValueError(f"arithmetic must be one of {', '.join(UNITS)}, not {arithmetic!r}")
    if counts is None and full is None:
        raise ValueError("counts or full must be given, or both")
    given = {"accumulated": accumulated, "full": full, "again": again}
    others = {name: gradient for name, gradient in given.items() if gradient is not None}
    others |= {f"extra[{name!r}]": gradient for name, gradient in (extra or {}).items()}
    listed = _listed(parts, others)
    weights = _counts(counts, len(listed))
    labels = _groups(groups, len(listed))
    base = np.full(len(listed), 1 / len(listed)) if weights is None else weights / weights.sum()
    named = {f"parts[{k}]": part for k, part in enumerate(listed)}
    sketched = _unwrap(named, others)
    gram = gather(named, others, base, expect_factor)
    dtypes = [gram.dtype, arithmetic or "float64", sketched.dtype if sketched else "float64"]
    known = Known(weights, labels, sketched.size if sketched else None)
    case = case_of(gram, base, max(dtypes, key=UNITS.__getitem__), known)
    return report_of(case, decide(case))


class Options(TypedDict, total=False):
    """What `audit_accumulation` takes by name."""

    again: object
    extra: Mapping[str, object] | None
    expect_factor: float
    arithmetic: str | None


def assert_accumulates(
    accumulated: object,
    parts: Iterable[object],
    counts: Iterable[float] | None = None,
    full: object = None,
    groups: Iterable[object] | None = None,
    **options: Unpack[Options],
) -> Report:
    """Raise `AssertionError` with the report unless the verdict is *exact*; for a test suite.

    Takes what `audit_accumulation` takes, and returns the report.

    >>> import numpy as np
    >>> from gradexplain import assert_accumulates
    >>> rng = np.random.default_rng(0)
    >>> parts = [rng.standard_normal(100) for _ in range(2)]
    >>> accumulated = 0.1 * parts[0] + 0.9 * parts[1]
    >>> assert_accumulates(accumulated, parts, counts=[10, 90]).verdict.value
    'exact'
    """
    report = audit_accumulation(accumulated, parts, counts, full, groups, **options)
    if report.verdict is not Verdict.EXACT:
        raise AssertionError(f"\n{report}")
    return report


def _listed(parts: Iterable[object], others: dict[str, object]) -> list[object]:
    """Return the parts; where a generator makes them as it goes, copies, and of A too."""
    if isinstance(parts, str | Path | Mapping):
        raise TypeError(f"parts must be a sequence of gradients, not one {type(parts).__name__}")
    if isinstance(parts, Iterator):
        for name, gradient in others.items():
            others[name] = _held(name, gradient)
        listed = [_held(f"parts[{k}]", part) for k, part in enumerate(parts)]
    else:
        listed = list(parts)
    if not listed:
        raise ValueError("parts must hold at least one gradient, but it is empty")
    return listed


def _held(label: str, gradient: object) -> object:
    return gradient if isinstance(gradient, Sketch) else held(label, gradient)


def _counts(counts: Iterable[float] | None, K: int) -> Vector | None:
    if counts is None:
        return None
    values = np.array([float(count) for count in counts])
    if len(values) != K:
        raise ValueError(f"counts must be as many as the parts, {K}, not {len(values)}")
    if not np.all(np.isfinite(values) & (values >= 0)) or values.sum() == 0:
        raise ValueError(f"counts must be finite, at least 0 and not all 0, not {values.tolist()}")
    return values


def _groups(groups: Iterable[object] | None, K: int) -> tuple[object, ...] | None:
    if groups is None:
        return None
    labels = tuple(groups)
    if len(labels) != K:
        raise ValueError(f"groups must be as many labels as parts, {K}, not {len(labels)}")
    return labels


def _unwrap(named: dict[str, object], others: dict[str, object]) -> Sketch | None:
    """Put sketches' numbers in their place; return one that stands for what they have read."""
    everything = {**others, **named}
    sketches = {name: g for name, g in everything.items() if isinstance(g, Sketch)}
    if not sketches:
        return None
    whole = next((name for name in everything if name not in sketches), None)
    if whole is not None:
        raise TypeError(f"{whole} must be a sketch too, as {next(iter(sketches))} is")
    first = next(iter(sketches.values()))
    for name, other in sketches.items():
        if other.kind != first.kind:
            raise ValueError(f"{name} must have {first.kind}, as the others have, not {other.kind}")
    for gradients in (named, others):
        for name in gradients:
            gradients[name] = sketches[name].values.copy()
    return max(sketches.values(), key=lambda one: UNITS[one.dtype])
