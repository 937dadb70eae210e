"""The audit of gradients: check what is given, read the weights, judge them, tell the finding."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Literal, ParamSpec, SupportsFloat

from gradexplain.audit.given import Term, checked_factor, checked_terms, parts_table
from gradexplain.audit.judge.case import Case, Parts, note
from gradexplain.audit.judge.decide import decide
from gradexplain.audit.read.arithmetic import UNITS
from gradexplain.audit.read.reading import Measures, Reading, read
from gradexplain.audit.read.sources import Sources, sources
from gradexplain.audit.tell.report import Report, report_of
from gradexplain.audit.tell.sentences import digits

P = ParamSpec("P")


def audit_accumulation(  # noqa: PLR0913 - each is one thing that a user may know
    accumulated: object,
    parts: Iterable[object],
    *,
    counts: Iterable[SupportsFloat] | None = None,
    full: object = None,
    reduction: Literal["mean", "sum"] = "mean",
    groups: Iterable[object] | None = None,
    terms: Mapping[str, Term] | None = None,
    also: Mapping[str, Iterable[SupportsFloat]] | None = None,
    again: object = None,
    extra: Mapping[str, object] | None = None,
    expect: str | Iterable[SupportsFloat] = "target",
    expect_factor: float = 1.0,
    arithmetic: str | None = None,
) -> Report:
    """Find out how an accumulated gradient weighs its parts, and say what that means.

    A = Σ wₖ gₖ is solved for w and compared with what w should be: nₖ / n, unless `expect` says
    otherwise. The audit reads weights, not causes. It says *exact* only where the mistakes it knows
    would have shown.

    A gradient is an array; a dict, list or tuple of arrays, nested as you like; a path to a .npz or
    .safetensors file; an iterator of (name, array), read once; or a `sketch`. Arrays may be NumPy,
    PyTorch, JAX, TensorFlow or MLX; a parameter without a gradient (None) counts as zero. Give
    `counts` or `full`, or both.

    Args:
        accumulated: A, what the training code would hand to its optimizer; or `PerWorker([A₀, …])`,
            or `Update(before, after, learning_rate)` where only the parameters can be seen.
        parts: g₁ … g_K, each the gradient of one micro-batch's own mean loss, at the same
            parameters. Gradients from a generator are copied as they arrive; iterators and files
            are streamed, never loaded whole.
        counts: n₁ … n_K, how many targets each part's mean is over.
        full: F, the gradient of the whole batch's loss, where that fits in memory.
        reduction: "sum" if the parts are gradients of sums rather than means.
        groups: a label per part, such as its worker, if means may have been taken by group.
        terms: further terms of the loss by name, each a `Term` with parts and counts of its own.
        also: other counts by name, such as sequences, that may explain the weights.
        again: the first part, computed again, which shows whether it can be reproduced.
        extra: more gradients that A may contain, by name: the parameters, the step before.
        expect: which mean is intended: "target" (every target alike), "part" (every part alike),
            or K weights.
        expect_factor: an intended factor of A; it is divided out.
        arithmetic: the coarsest type computed in, where the numbers don't show it:
            "float32", "tfloat32", "bfloat16" or "float16". The tolerance follows it.

    Raises:
        TypeError: something is not an array, or is not floating-point; an argument is of the
            wrong kind.
        ValueError: names, shapes or lengths differ, gradients share memory, a number is not finite,
            counts don't add up, or neither counts nor full is given.

    >>> import numpy as np
    >>> from gradexplain import audit_accumulation
    >>> rng = np.random.default_rng(0)
    >>> parts = [{"w": rng.standard_normal((20, 5))} for _ in range(2)]
    >>> accumulated = {"w": (parts[0]["w"] + parts[1]["w"]) / 2}
    >>> report = audit_accumulation(accumulated, parts, counts=[10, 90])
    >>> report.summary
    'mean of means: A weighs every part alike.'
    >>> [round(weight, 6) for weight in report.weights], report.expected, report.ok
    ([0.5, 0.5], (0.1, 0.9), False)
    """
    factor = checked_factor("expect_factor", expect_factor)
    _check_choice("reduction", reduction, ("mean", "sum"))
    if arithmetic is not None:
        _check_choice("arithmetic", arithmetic, tuple(UNITS))
    further = checked_terms(terms)
    named = {"parts": parts} | {f"terms[{n!r}].parts": term.parts for n, term in further.items()}
    given = sources(accumulated, named, scale=factor, full=full, again=again, extra=extra)
    table = parts_table(
        given.sizes,
        counts=counts,
        terms=further,
        groups=groups,
        also=also,
        expect=expect,
        means=reduction == "mean",
    )
    if full is None and not table.known:
        raise ValueError("counts or full must be given, or both")
    reading = read(given, table, arithmetic)
    case = Case(reading.weights, _expecting(table, reading), reading.evidence)
    return _report(case, given, reading.measures, factor)


def _like(audit: Callable[P, Report]) -> Callable[[Callable[..., Report]], Callable[P, Report]]:
    """Give a function the signature of another."""

    def signed(function: Callable[..., Report]) -> Callable[P, Report]:
        function.__signature__ = inspect.signature(audit)  # type: ignore[attr-defined]
        return function

    return signed


@_like(audit_accumulation)
def assert_accumulates(*arguments: object, **options: object) -> Report:
    """Raise `AssertionError` with the report unless the step averages as intended.

    For a test suite. Takes what `audit_accumulation` takes, and returns the report.

    >>> import numpy as np
    >>> from gradexplain import assert_accumulates
    >>> rng = np.random.default_rng(0)
    >>> parts = [rng.standard_normal(100) for _ in range(2)]
    >>> accumulated = 0.1 * parts[0] + 0.9 * parts[1]
    >>> assert_accumulates(accumulated, parts, counts=[10, 90]).summary
    'exact: A is the mean gradient.'
    """
    __tracebackhide__ = True
    return audit_accumulation(*arguments, **options).check()  # type: ignore[arg-type]


def _check_choice(name: str, given: object, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {given!r}")


def _expecting(table: Parts, reading: Reading) -> Parts:
    """Return the table; where no counts were given, with F's weights as those expected."""
    full = reading.evidence.full
    if table.known or full is None or not full.is_mean:
        return table
    weights = full.weights
    slack = weights.uncertainty(weights.values)
    return replace(table, expected=weights.values, slack=slack, known=True, intended="full")


def _report(case: Case, given: Sources, measures: Measures, factor: float) -> Report:
    K, n = given.parts, measures.numbers
    head = f"audit of {K} part{'s' if K > 1 else ''}, {n} numbers each"
    notes = []
    if factor != 1:
        notes.append(note("expected factor", factor=factor))
    if measures.left_out:
        notes.append(note("left out", parts=measures.left_out))
    if given.workers > 1 and case.evidence and not case.evidence.disagree:
        notes.append(note("workers agree", workers=given.workers))
    report = report_of(
        case,
        decide(case),
        head + (", sketched" if measures.sketched else ""),
        (_measured(measures),),
        tuple(notes),
    )
    return replace(
        report,
        relative_error=measures.relative_error,
        angle=measures.angle,
        outside=measures.outside,
        tolerated=measures.tolerated,
        arithmetic=measures.arithmetic,
    )


def _measured(measures: Measures) -> str:
    error, angle = measures.relative_error, measures.angle
    source = {
        "given": "as given",
        "inferred": "read off the numbers, which are stored in a finer type",
        "dtype": "the arrays' type",
    }[measures.source]
    least = measures.tolerated  # what is below it is rounding, and differs between machines
    outside = measures.outside if measures.outside > least else 0.0
    turned = _digits(angle, math.degrees(least), "°")
    return (
        f"relative error {_digits(error, least)}, angle {turned}; "
        f"{digits(100 * outside, 2)}% of A is outside the parts' span, where rounding leaves up to "
        f"{digits(100 * least, 2)}% in {measures.arithmetic} ({source})"
    )


def _digits(value: float | None, least: float, unit: str = "") -> str:
    """Return a measure as it is printed: 0 below the least that can be measured."""
    return "unknown" if value is None else digits(value if value > least else 0.0, 3) + unit
