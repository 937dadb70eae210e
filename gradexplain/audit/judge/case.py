"""What the judge is given, a table of parts with optional evidence, and what it says: a finding."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from gradexplain.audit.judge.weights import Vector, Weights

MAIN = "loss"  # the name of the main term


class Verdict(StrEnum):
    """All that an audit can say. The values are stable: they are what JSON holds."""

    EXACT = "exact"
    RESCALED = "rescaled"
    MEAN_OF_MEANS = "mean-of-means"
    MEAN_OF_GROUP_MEANS = "mean-of-group-means"
    DROPPED = "dropped"
    REWEIGHTED = "reweighted"
    WORKERS_DISAGREE = "workers-disagree"
    UNEVEN = "uneven"
    EXTRA_TERM = "extra-term"
    COUNTS_DIFFER = "counts-differ"
    NOT_A_MEAN = "not-a-mean"
    UNEXPLAINED = "unexplained"
    PARTS_ARE_SUMS = "parts-are-sums"
    NOT_REPRODUCIBLE = "not-reproducible"
    AMBIGUOUS = "ambiguous"


#: Verdicts that leave open whether the step is right.
OPEN = frozenset({Verdict.PARTS_ARE_SUMS, Verdict.NOT_REPRODUCIBLE, Verdict.AMBIGUOUS})


@dataclass(frozen=True)
class Note:
    """One fact of a finding: its kind, and what it is about. `tell` has the words for each."""

    kind: str
    facts: Mapping[str, object] = field(default_factory=dict)


def note(kind: str, **facts: object) -> Note:
    """Return a note of this kind."""
    return Note(kind, facts)


@dataclass(frozen=True)
class Finding:
    """A verdict, the fact it rests on, and what else was found."""

    verdict: Verdict
    claim: Note
    factor: float = 1.0
    notes: tuple[Note, ...] = ()
    parameters: tuple[tuple[str, "Finding"], ...] = ()  # what each reads, where they differ
    terms: tuple[tuple[str, "Finding"], ...] = ()  # what each term of the loss reads
    conclusive: bool = True  # whether the step is known to be right or wrong

    @property
    def ok(self) -> bool | None:
        """Whether the step is right; None where that stays open."""
        if self.verdict is Verdict.EXACT:
            return True
        return None if self.verdict in OPEN or not self.conclusive else False

    @property
    def factors(self) -> tuple[float, ...]:
        """The factors of the terms that are not right; of one term, its own."""
        return tuple(one.factor for _, one in self.terms if not one.ok) or (self.factor,)

    def with_notes(self, *more: Note) -> "Finding":
        """Return the finding with further notes, after its own."""
        return replace(self, notes=(*self.notes, *more))


@dataclass(frozen=True, eq=False)
class Full:
    """What the full gradient F says: how it compares with the parts, and A with it."""

    weights: Weights  # by the parts, nearest to F
    outside: float  # what no weights give, in the metric of its weights
    outer: float  # how much of that rounding explains
    plausible: tuple[str, ...]  # coarser arithmetics that would leave as much
    meets: bool  # whether A is F
    multiple: tuple[float, float] | None  # s and its uncertainty, if A is s F

    @property
    def is_mean(self) -> bool:
        """Whether F is some weighted sum of the parts."""
        return self.outside <= self.outer and bool((np.diag(self.weights.metric) > 0).any())


@dataclass(frozen=True, eq=False)
class Extended:
    """A by the parts and the extra columns: the columns' weights come last."""

    names: tuple[str, ...]
    weights: Weights
    outside: float
    outer: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """What only gradients show. Lengths are in the metric of the weights, where 1 is rounding."""

    outside: float  # the length of what no weights of the parts give
    outer: float  # how much of that rounding explains
    share: float  # the same as a share of A's size
    plausible: tuple[str, ...]  # coarser arithmetics that would leave as much
    zero: bool  # whether A is zero
    short: bool  # whether A is too short beside the parts to be read
    rank: int  # directions that the parts span
    spread: int  # numbers that are not zero in every part
    enough: bool  # whether enough of those are left over to tell a fit from a coincidence
    stray: float  # how far one parameter must be off to be a fault of its own
    hidden: npt.NDArray[np.bool_]  # parts too short beside the others
    hidden_fit: bool  # whether the hidden parts would explain what lies outside
    sketched: bool = False
    repeat: float = 0.0  # how far the first part moved when computed again, as a share
    full: Full | None = None
    extended: Extended | None = None
    workers: tuple[Weights, ...] = ()  # one A per worker
    disagree: bool = False  # whether the workers' A differ
    parameters: tuple[tuple[str, Weights, "Evidence"], ...] = ()

    def only(self, rows: npt.NDArray[np.intp]) -> "Evidence":
        """Return what is shown beside some of the parts, whatever the others weigh."""
        return replace(
            self,
            hidden=self.hidden[rows],
            full=None,
            extended=None,
            parameters=tuple((n, w.only(rows), e.only(rows)) for n, w, e in self.parameters),
        )


@dataclass(frozen=True, eq=False)
class Parts:
    """A table of K parts: the weights they should have, and what is known of them."""

    expected: Vector
    slack: Vector  # how far the expected weights may be off themselves
    known: bool = True  # whether the expected weights are; otherwise they only are a reference
    intended: str = (
        "target"  # which mean they are: each "target" alike, each "part", "given", "full"
    )
    counts: Vector | None = None
    groups: tuple[object, ...] | None = None
    also: Mapping[str, Vector] = field(default_factory=dict)  # other counts, by name
    terms: tuple[str, ...] = ()  # the term of the loss that each part is of; one term if empty
    unweighted: frozenset[str] = frozenset()  # terms judged by their proportions only
    means: bool = True  # whether the parts are said to be gradients of means

    def of(self, term: str) -> npt.NDArray[np.intp]:
        """Return the places of a term's parts."""
        return np.flatnonzero(np.array(self.terms) == term)

    def only(self, rows: npt.NDArray[np.intp]) -> "Parts":
        """Return some of the parts, all of one term."""
        return replace(
            self,
            expected=self.expected[rows],
            slack=self.slack[rows],
            counts=None if self.counts is None else self.counts[rows],
            groups=None if self.groups is None else tuple(self.groups[k] for k in rows),
            also={name: values[rows] for name, values in self.also.items()},
            terms=(),
        )


@dataclass(frozen=True, eq=False)
class Case:
    """What the judge is given: the weights that were read, the parts they are of, and evidence."""

    weights: Weights
    parts: Parts
    evidence: Evidence | None = None

    @property
    def expected(self) -> Vector:
        """The weights that should have been read."""
        return self.parts.expected

    @property
    def counts(self) -> Vector | None:
        """How many targets each part's mean is over."""
        return self.parts.counts

    @property
    def beyond(self) -> bool:
        """Whether more of A lies outside the span than rounding explains."""
        return self.evidence is not None and self.evidence.outside > self.evidence.outer

    def same(self, one: Vector, other: Vector) -> bool:
        """Tell whether two weightings are one, as closely as the expected one is known."""
        return bool(np.all(np.abs(one - other) <= self.parts.slack))

    def parameters(self) -> Iterator[tuple[str, "Case"]]:
        """Yield each parameter as a case of its own."""
        for name, weights, evidence in self.evidence.parameters if self.evidence else ():
            yield name, Case(weights, self.parts, evidence)

    def without_full(self) -> "Case":
        """Return the case as it is without F."""
        return replace(self, evidence=self.evidence and replace(self.evidence, full=None))

    def only(self, term: str) -> "Case":
        """Return the parts of one term, whatever the others weigh."""
        rows = self.parts.of(term)
        evidence = self.evidence.only(rows) if self.evidence else None
        return Case(self.weights.only(rows), self.parts.only(rows), evidence)
