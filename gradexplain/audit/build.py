"""From inner products to a case, and from its finding to the report."""

from dataclasses import replace

import numpy as np

from gradexplain.audit.advice import QUESTIONS, TO_DO
from gradexplain.audit.case import Case, Finding, Known, Verdict
from gradexplain.audit.gram import SPARE, Gram, Matrix, Vector
from gradexplain.audit.report import Report
from gradexplain.audit.weights import Reading


def case_of(gram: Gram, base: Vector, dtype: str, known: Known) -> Case:
    """Read the weights of A and F off the inner products, of the whole and of each parameter."""
    K, rows = len(base), gram.rows
    total, peak = gram.products.sum(axis=0), float(gram.peaks.max())
    size = sum(gram.sizes) if known.sketched is None else known.sketched
    right, slack, full = base, 1e-9 * base, None
    if "full" in rows:
        full = _reading(total, base, rows.index("full"), dtype, size, peak)
        if known.counts is None and _is_mean(full):
            right, slack = full.weights, full.blur(full.weights)
    extras = tuple(r for r, row in enumerate(rows) if row.startswith("extra["))

    def case(products: Matrix, size: int, peak: float, spread: int) -> Case:
        accumulated = _reading(products, base, K, dtype, size, peak)
        return Case(
            accumulated=accumulated,
            right=right,
            slack=slack,
            spread=spread,
            roomy=accumulated.rank + SPARE <= spread,
            known=known,
            extras=tuple(rows[r] for r in extras),
            extended=_reading(products, base, K, dtype, size, peak, extras) if extras else None,
        )

    each = zip(
        gram.names, gram.products, gram.sizes, gram.peaks.tolist(), gram.spreads, strict=True
    )
    distance, relative_error, angle = _compared(total, rows, base, right)
    return replace(
        case(total, size, peak, sum(gram.spreads)),
        full=full,
        distance=distance,
        relative_error=relative_error,
        angle=angle if peak else None,  # zero has no direction
        moved=float(total[rows.index("again"), rows.index("again")] ** 0.5)
        if "again" in rows
        else 0,
        parameters=tuple((name, case(*one)) for name, *one in each),
    )


def report_of(case: Case, found: Finding) -> Report:
    """Put a finding and what it rests on into a report."""
    A = case.accumulated
    weights = A.weights
    if found.verdict is Verdict.EXTRA_TERM and case.extended:
        weights = case.extended.weights[: len(weights)]
    blur = np.where(A.unread(case.right), np.inf, A.blur(weights))
    scale = A.scale if A.peak else A.terms or 1.0  # beside zero, all is large
    known = case.known.counts is not None or (case.full is not None and _is_mean(case.full))
    unsure = {Verdict.AMBIGUOUS, Verdict.NOT_REPRODUCIBLE}
    code = 2 if found.verdict in unsure or not found.telling else 1
    return Report(
        verdict=found.verdict,
        says=found.says,
        implied=tuple(float(w) if blur[k] < np.inf else None for k, w in enumerate(weights)),
        right=tuple(case.right.tolist()) if known else (None,) * len(case.right),
        blur=tuple(float(b) if b < np.inf else None for b in blur),
        counts=tuple(case.known.counts.tolist()) if case.known.counts is not None else None,
        factor=found.factor,
        relative_error=case.relative_error,
        angle=case.angle,
        residual=A.outside / scale,
        tolerance=A.outer / scale,
        why=_why(A),
        to_do=found.to_do or TO_DO[found.verdict],
        questions=QUESTIONS[found.verdict],
        notes=found.notes,
        parameters=found.parameters,
        code=0 if found.verdict is Verdict.EXACT else code,
        size=A.size,
        sketched=case.known.sketched is not None,
    )


def _reading(  # noqa: PLR0913, PLR0917 - what a reading is made of
    products: Matrix,
    base: Vector,
    row: int,
    dtype: str,
    size: int,
    peak: float,
    extras: tuple[int, ...] = (),
) -> Reading:
    """Return one row's reading by the parts, and by the extra columns if these are given."""
    spanned = [*range(len(base)), *extras]
    return Reading(
        gram=products[np.ix_(spanned, spanned)],
        along=products[spanned, row],
        square=float(products[row, row]),
        base=np.concatenate([base, np.zeros(len(extras))]),
        dtype=dtype,
        size=size,
        peak=peak,
    )


def _compared(
    total: Matrix, rows: tuple[str, ...], base: Vector, right: Vector
) -> tuple[float, float | None, float | None]:
    """Return how far A is from F, or from the right mean: in length, relatively, in degrees."""
    K = len(base)
    A, R = np.zeros(len(rows)), np.zeros(len(rows))
    A[:K], R[:K] = base, right
    A[K] = 1
    if "full" in rows:
        R[:K], R[rows.index("full")] = base, 1
    D = A - R
    distance, length = (max(float(v @ total @ v), 0.0) ** 0.5 for v in (D, R))
    if length == 0:
        return distance, None, None
    along = float(R @ total @ A) / length
    across = max(distance**2 - (float(R @ total @ D) / length) ** 2, 0.0) ** 0.5
    return distance, distance / length, float(np.degrees(np.arctan2(across, along)))


def _is_mean(full: Reading) -> bool:
    """Tell whether F is some weighted sum of the parts; where all is zero, none can be named."""
    return full.outside < full.outer


def _why(A: Reading) -> str:
    if A.outer <= A.floor:
        return "the floor"
    times = A.outer / (A.unit * len(A.base) ** 0.5 * A.scale)
    return f"{times:.3g}u√K with u = {A.unit:.2g} of {A.dtype}, K = {len(A.base)}"
