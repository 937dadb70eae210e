"""From gradients to what the judge is given: weights, and what only gradients show."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gradexplain.audit.judge.case import Evidence, Extended, Full, Parts
from gradexplain.audit.judge.weights import Weights
from gradexplain.audit.read.arithmetic import UNITS, coarsest
from gradexplain.audit.read.fit import FLOOR, TINY, Fit, Rounding, Span, fit, span
from gradexplain.audit.read.gram import SPARE, Gram, Matrix, Vector, gather
from gradexplain.audit.read.sources import Sources

_COARSER = ("tfloat32", "float16", "bfloat16")  # what float32 numbers may have been computed in


@dataclass(frozen=True)
class Measures:
    """What the report shows of A beside its weights."""

    relative_error: float | None  # how far A is from F, or from the expected mean, over its length
    angle: float | None  # between the two, in degrees
    outside: float  # the share of A that no weights give
    tolerated: float  # how much of it rounding explains
    arithmetic: str  # what it was computed in
    source: str  # how that is known: "given", "inferred" or "dtype"
    numbers: int  # in each gradient
    sketched: bool
    left_out: tuple[int, ...]  # parts of count 0 that are not finite


@dataclass(frozen=True, eq=False)
class Reading:
    """The weights read off a step's gradients, what else they show, and the measures of both."""

    weights: Weights
    evidence: Evidence
    measures: Measures


def read(sources: Sources, parts: Parts, arithmetic: str | None) -> Reading:
    """Read the weights of A, and of F, off all gradients, of the whole and of each parameter.

    Args:
        sources: the gradients.
        parts: the weights expected, from which those of A are measured.
        arithmetic: the coarsest that was used, where the user says so.

    Raises:
        TypeError: as `gather` does.
        ValueError: as `gather` does.
    """
    base, sizes = parts.expected, _part_sizes(parts)
    empty = np.zeros(len(base), bool) if parts.counts is None else parts.counts == 0
    gram = gather(sources, base / sizes, empty)
    scales = np.ones(len(sources.gradients))
    scales[: len(base)] /= sizes
    if sources.again is not None:
        scales[sources.again] /= sizes[0]
    gram = replace(gram, products=gram.products * np.outer(scales, scales))
    dtype = coarsest(gram.arithmetic, arithmetic or "float64")
    reader = _Reader(sources, base, dtype, coarser=arithmetic is None and dtype == "float32")
    total, A, numbers = gram.products.sum(axis=0), sources.parts, sum(gram.sizes)
    peak = float(gram.peaks.max())
    rounding = reader.rounding(numbers, float(np.linalg.norm(gram.roundings)))
    whole = reader.fit(total, A, rounding, peak)
    workers = range(A, A + sources.workers if sources.workers > 1 else A)
    parameters = tuple(reader.parameters(gram, whole))
    evidence = replace(
        reader.evidence(total, whole, peak, sum(gram.spreads)),
        full=reader.full(total, whole, peak) if sources.full is not None else None,
        repeat=_repeat(total, sources, whole.span),
        workers=tuple(reader.fit(total, row, rounding, peak).read() for row in workers),
        disagree=reader.disagree(total, whole.outer + whole.inner)
        or any(each.disagree for _, _, each in parameters),
        parameters=parameters,
    )
    scale = whole.scale if whole.peak else whole.span.terms or 1.0  # beside zero, all is large
    vague = bool(parts.unweighted) or (not parts.known and sources.full is None)
    relative_error, angle = (None, None) if vague else _compared(total, sources, base)
    measures = Measures(
        relative_error=relative_error,
        angle=angle if peak else None,  # zero has no direction
        outside=whole.outside / scale,
        tolerated=whole.outer / scale,
        arithmetic=dtype,
        source="given" if arithmetic == dtype else "inferred" if gram.inferred else "dtype",
        numbers=numbers if sources.sketched is None else sources.sketched,
        sketched=sources.sketched is not None,
        left_out=gram.left_out,
    )
    return Reading(whole.read(), evidence, measures)


def _part_sizes(parts: Parts) -> Vector:
    """Return what each part is divided by to be a mean: its count, if it is a sum."""
    if parts.means or parts.counts is None:
        return np.ones(len(parts.expected))
    return np.where(parts.counts > 0, parts.counts, 1.0)


@dataclass(frozen=True, eq=False)
class _Reader:
    """What all readings of one audit share."""

    sources: Sources
    base: Vector
    dtype: str
    coarser: bool  # whether a coarser arithmetic may have been used than the numbers show

    def rounding(self, numbers: int, parameters: float) -> Rounding:
        """Return how far rounding moves a gradient of so many numbers."""
        tiny = TINY * float(np.sqrt(numbers * len(self.base))) if self.dtype == "float16" else 0.0
        return Rounding(UNITS[self.dtype], tiny, parameters)

    def fit(self, products: Matrix, row: int, rounding: Rounding, peak: float) -> Fit:
        """Fit one row by the parts."""
        K = len(self.base)
        space = span(products[:K, :K], self.base, rounding)
        return fit(space, products[:K, row], float(products[row, row]), peak)

    def evidence(self, products: Matrix, A: Fit, peak: float, spread: int) -> Evidence:
        """Return what the gradients of the whole, or of one parameter, show beside weights."""
        space = A.span
        return Evidence(
            outside=_in(A, A.outside),
            outer=_in(A, A.outer),
            share=A.outside / A.scale if A.scale else 0.0,
            plausible=self.plausible(A),
            zero=peak == 0,
            short=A.length <= A.floor,
            rank=space.rank,
            spread=spread,
            enough=space.rank + SPARE <= spread,
            stray=np.inf,
            hidden=~space.visible,
            hidden_fit=self.hidden_fit(products, A, peak),
            sketched=self.sources.sketched is not None,
            extended=self.extended(products, A.span.rounding, peak) if self.sources.extra else None,
        )

    def hidden_fit(self, products: Matrix, A: Fit, peak: float) -> bool:
        """Tell whether the parts too short to be seen would explain what lies outside."""
        space, row = A.span, self.sources.parts
        if A.outside <= A.outer or not np.any(~space.visible & (space.norms > 0)):
            return False
        seen = span(space.gram, space.base, space.rounding, keep_short=True)
        kept = fit(seen, products[: len(self.base), row], float(products[row, row]), peak)
        return kept.outside <= A.outer

    def extended(self, products: Matrix, rounding: Rounding, peak: float) -> Extended:
        """Fit A by the parts and the extra columns."""
        columns = [*range(len(self.base)), *self.sources.extra]
        row = self.sources.parts
        base = np.concatenate([self.base, np.zeros(len(self.sources.extra))])
        space = span(products[np.ix_(columns, columns)], base, rounding)
        found = fit(space, products[columns, row], float(products[row, row]), peak)
        names = self.sources.extras
        return Extended(names, found.read(), _in(found, found.outside), _in(found, found.outer))

    def full(self, products: Matrix, A: Fit, peak: float) -> Full:
        """Fit F by the parts, and A by F."""
        row = self.sources.full or 0
        F = self.fit(products, row, replace(A.span.rounding, parameters=0.0), peak)
        a, f = (
            _vector(self.sources, self.base, self.sources.parts),
            _vector(self.sources, self.base, row),
        )
        tolerated = A.outer + A.inner
        multiple = None
        if F.length > 0:
            s = float(a @ products @ f) / F.length**2
            allowed = tolerated + abs(s) * F.outer
            if s != 0 and _length(products, a - s * f) <= allowed:
                multiple = s, F.relative * abs(s) + allowed / F.length
        return Full(
            weights=F.read(),
            outside=_in(F, F.outside),
            outer=_in(F, F.outer),
            plausible=self.plausible(F),
            meets=_length(products, a - f) <= tolerated,
            multiple=multiple,
        )

    def plausible(self, found: Fit) -> tuple[str, ...]:
        """Return the coarser arithmetics that would leave as much outside the span."""
        if not self.coarser or found.outside <= found.outer:
            return ()
        return tuple(name for name in _COARSER if found.outside <= found.allowed(UNITS[name]))

    def disagree(self, products: Matrix, allowed: float) -> bool:
        """Tell whether some worker's A is further from the first one's than rounding takes it."""
        first, *others = range(self.sources.parts, self.sources.parts + self.sources.workers)
        return any(_between(products, first, other) > allowed for other in others)

    def parameters(self, gram: Gram, whole: Fit) -> Iterator[tuple[str, Weights, Evidence]]:
        """Read each parameter by itself.

        A fault of one parameter has to show by 30 times its own tolerance, or by a tenth; and by
        one rounding of the whole, which is all that is left of some gradients, such as those of
        biases before a normalization. Workers that differ in one parameter have to differ as much.
        """
        each = zip(
            gram.names,
            gram.products,
            gram.sizes,
            gram.peaks.tolist(),
            gram.spreads,
            gram.roundings.tolist(),
            strict=True,
        )
        least = whole.span.rounding.unit * whole.scale
        for name, products, size, peak, spread, parameters in each:
            found = self.fit(products, self.sources.parts, self.rounding(size, parameters), peak)
            stray = max(found.outer, min(30 * found.outer, found.scale / 10), least)
            evidence = self.evidence(products, found, peak, spread)
            disagree = self.disagree(products, stray)
            yield name, found.read(), replace(evidence, stray=_in(found, stray), disagree=disagree)


def _in(found: Fit, length: float) -> float:
    """Return a length in the metric of the weights that were read."""
    return length / found.whole if found.whole > 0 else 0.0


def _vector(sources: Sources, base: Vector, row: int) -> Vector:
    """Return A or F, whose rows lack B, as a combination of the rows."""
    combination = np.zeros(len(sources.gradients))
    combination[: len(base)] = base
    combination[row] = 1
    return combination


def _length(products: Matrix, combination: Vector) -> float:
    return max(float(combination @ products @ combination), 0.0) ** 0.5


def _between(products: Matrix, row: int, other: int) -> float:
    """Return how far two workers' A are apart."""
    square = products[row, row] - 2 * products[row, other] + products[other, other]
    return max(float(square), 0.0) ** 0.5


def _repeat(total: Matrix, sources: Sources, space: Span) -> float:
    """Return how far the first part moved when computed again, as a share; 0 within rounding."""
    if sources.again is None:
        return 0.0
    moved, length = float(total[sources.again, sources.again] ** 0.5), float(space.norms[0])
    if moved <= max(4 * space.rounding.unit * len(space.base) ** 0.5, FLOOR) * length:
        return 0.0
    return moved / length if length else np.inf


def _compared(total: Matrix, sources: Sources, base: Vector) -> tuple[float | None, float | None]:
    """Return how far A is from F, or from the expected mean: relatively, and in degrees."""
    A = _vector(sources, base, sources.parts)
    R = np.zeros(len(A))
    R[: len(base)] = base
    if sources.full is not None:
        R[sources.full] = 1
    D = A - R
    distance, length = _length(total, D), _length(total, R)
    if length == 0:
        return None, None
    along = float(R @ total @ A) / length
    across = max(distance**2 - (float(R @ total @ D) / length) ** 2, 0.0) ** 0.5
    return distance / length, float(np.degrees(np.arctan2(across, along)))
