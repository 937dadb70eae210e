"""The report: what an audit found, as data, as text, as HTML and as a figure."""

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from gradexplain.audit.judge.case import Case, Finding, Note, Verdict
from gradexplain.audit.judge.weights import Weights
from gradexplain.audit.tell.advice import QUESTIONS, TO_DO, TO_DO_FOR, fitting
from gradexplain.audit.tell.sentences import digits, sentence, titled
from gradexplain.audit.tell.text import Part, table, wrapped
from gradexplain.audit.tell.words import EQUAL_COUNTS, INTENDED, SENTENCES, TITLES, UNTAPPED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 1  # of `to_dict`; raised when a key changes its meaning or goes
_MOST = 12  # parameters to list


@dataclass(frozen=True, repr=False)
class Report:
    """What an audit found. Printed, it is a table of at most 76 columns.

    `ok` is True if the step averages as intended, False if it does not, and None if that cannot be
    determined. A weight that cannot be determined is None, too.
    """

    ok: bool | None
    verdict: Verdict
    claim: str  # what the verdict rests on, a sentence
    head: str  # what was audited
    intended: str  # which mean it was judged by: "target", "part", "given" or "full"
    parts: tuple[Part, ...]
    factor: float
    details: tuple[str, ...]  # measures, and what happened on the way to the optimizer
    notes: tuple[str, ...]
    to_do: str
    questions: tuple[str, ...]
    terms: tuple[tuple[str, Verdict, str], ...] = ()  # each term of the loss, where there are more
    parameters: tuple[tuple[str, str], ...] = ()  # what each parameter reads, where they differ
    workers: tuple[tuple[float | None, ...], ...] = ()  # each worker's weights, where they differ
    relative_error: float | None = None  # ‖A − R‖ / ‖R‖: R is F, or the expected mean
    angle: float | None = None  # degrees between A and R
    outside: float | None = None  # the share of A that no weights give
    tolerated: float | None = None  # how much of that rounding explains
    arithmetic: str | None = None
    quiet: bool = field(default=False, compare=False)  # where another worker prints the same report

    @property
    def weights(self) -> tuple[float | None, ...]:
        """The weight that was read for each part."""
        return tuple(part.weight for part in self.parts)

    @property
    def expected(self) -> tuple[float | None, ...]:
        """The weight that each part should have."""
        return tuple(part.expected for part in self.parts)

    @property
    def ratios(self) -> tuple[float | None, ...]:
        """Each weight over the expected one: 0 within its uncertainty of it, None if unknown."""
        return tuple(part.ratio for part in self.parts)

    @property
    def summary(self) -> str:
        """The verdict and what it rests on, in one line."""
        return f"{TITLES[self.verdict]}: {self.claim}"

    @property
    def line(self) -> str:
        """The summary; after it, if the step is right, what kept a mistake from being seen.

        Equal counts hide a mean of means, and a term that passed no tap is not judged.
        """
        said = [self.summary]
        if self.ok and SENTENCES["equal counts"] in self.notes:
            said.append(EQUAL_COUNTS)
        if self.ok:
            said += [one for one in self.notes if one.startswith(UNTAPPED)]
        return " ".join(said)

    def check(self) -> "Report":
        """Return the report if `ok` is True.

        Raises:
            AssertionError: it is not, with the report as its message.
        """
        __tracebackhide__ = True
        if self.ok is not True:
            raise AssertionError(str(self))
        return self

    def __bool__(self) -> NoReturn:
        """Refuse: it would be unclear what is asked.

        Raises:
            TypeError: always.
        """
        raise TypeError("a Report has no truth value: use report.ok, which is True, False or None")

    def __repr__(self) -> str:
        """Return the summary."""
        return f"<Report {self.summary}>"

    def __str__(self) -> str:
        """Return the report as text of at most 76 columns."""
        if self.quiet:
            return f"{TITLES[self.verdict].upper()}: worker 0 prints the report."
        lines = [*wrapped(f"{TITLES[self.verdict].upper()}: {self.head}"), *wrapped(self.claim)]
        if self.intended != "target":
            lines += wrapped(f"Judged by {INTENDED[self.intended]}.")
        lines += ["", *table(self.parts)]
        lines += [line for detail in self.details for line in wrapped(detail)]
        lines.append("")
        for name, verdict, says in self.terms:
            lines += wrapped(titled(verdict, says), f"{name}: ")
        for w, weights in enumerate(self.workers):
            shown = ", ".join("?" if x is None else digits(x) for x in weights[:_MOST])
            lines += wrapped(
                f"weights {shown}{', …' if len(weights) > _MOST else ''}", f"worker {w}: "
            )
        lines += [line for note in self.notes for line in wrapped(note, "note: ")]
        lines += [line for n, text in self.parameters[:_MOST] for line in wrapped(text, f"{n}: ")]
        if len(self.parameters) > _MOST:
            lines.append(f"… and {len(self.parameters) - _MOST} more parameters")
        lines += wrapped(self.to_do, "do:   ")
        lines += [line for question in self.questions for line in wrapped(question, "ask:  ")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the report for a notebook."""
        return f"<pre>{html.escape(str(self))}</pre>"

    def plot(self) -> "Figure":
        """Draw each weight over the expected one; needs the extra `figures`."""
        from gradexplain.plotting import audit_report  # noqa: PLC0415 - an extra

        return audit_report(self.ratios, TITLES[self.verdict])

    def to_dict(self) -> dict[str, object]:
        """Return all of it as JSON can hold it; `schema` says which keys there are.

        >>> import json
        >>> import numpy as np
        >>> from gradexplain import audit_accumulation
        >>> rng = np.random.default_rng(0)
        >>> parts = [rng.standard_normal(100) for _ in range(2)]
        >>> report = audit_accumulation((parts[0] + parts[1]) / 2, parts, counts=[10, 90])
        >>> found = json.loads(json.dumps(report.to_dict()))
        >>> found["schema"], found["verdict"], found["ok"]
        (1, 'mean-of-means', False)
        """
        parts = [{**vars(part), "ratio": part.ratio} for part in self.parts]
        terms = [{"term": t, "verdict": v.value, "claim": claim} for t, v, claim in self.terms]
        plain = {
            name: value
            for name, value in vars(self).items()
            if name not in {"parts", "terms", "quiet"}
        }
        named = {"verdict": self.verdict.value, "title": TITLES[self.verdict]}
        return {"schema": SCHEMA, **plain, **named, "parts": parts, "terms": terms}


def report_of(
    case: Case,
    found: Finding,
    head: str,
    details: tuple[str, ...] = (),
    notes: tuple[Note, ...] = (),
) -> Report:
    """Put a finding and what it rests on into words.

    Args:
        case: what was judged.
        found: what the judge says.
        head: what was audited.
        details: lines below the table.
        notes: what was done with the input, before what was found.
    """
    evidence = case.evidence
    workers = evidence.workers if evidence and found.verdict is Verdict.WORKERS_DISAGREE else ()
    shown = [*(sentence(note) for note in (*notes, *found.notes)), *_notes_of_terms(found)]
    return Report(
        ok=found.ok,
        verdict=found.verdict,
        claim=sentence(found.claim),
        head=head,
        intended=case.parts.intended,
        parts=tuple(_parts(case, _weights(case, found))),
        factor=found.factor,
        details=details,
        notes=tuple(shown),
        to_do=TO_DO_FOR.get(found.claim.kind, TO_DO[found.verdict]),
        questions=fitting(QUESTIONS[found.verdict], found.factors),
        terms=tuple((name, each.verdict, sentence(each.claim, name)) for name, each in found.terms),
        parameters=tuple((name, sentence(each.claim)) for name, each in found.parameters),
        workers=tuple(tuple(_rounded(weights, case)) for weights in workers),
    )


def _weights(case: Case, found: Finding) -> Weights:
    """Return the parts' weights; beside extra columns, where these explain A."""
    extended = case.evidence and case.evidence.extended
    if found.verdict is Verdict.EXTRA_TERM and extended:
        return extended.weights.only(np.arange(len(case.expected)))
    return case.weights


def _parts(case: Case, weights: Weights) -> Iterator[Part]:
    uncertainty = weights.uncertainty(weights.values)
    unread = weights.unread(case.expected) | ~np.isfinite(uncertainty)
    terms, index = (
        case.parts.terms or ("",) * len(case.expected),
        dict.fromkeys(case.parts.terms, -1),
    )
    several = len(index) > 1
    for k, (term, known) in enumerate(zip(terms, _known(weights, case), strict=True)):
        index[term] = index.get(term, -1) + 1
        yield Part(
            term=term if several else "",
            index=index[term],
            count=None if case.counts is None else float(case.counts[k]),
            expected=float(case.expected[k]) if case.parts.known else None,
            weight=known,
            uncertainty=None if unread[k] else float(uncertainty[k]),
        )


def _known(weights: Weights, case: Case) -> Iterator[float | None]:
    """Yield each weight, None where it is too uncertain to be read."""
    unread = weights.unread(case.expected) | ~np.isfinite(weights.absolute)
    for value, hidden in zip(weights.values.tolist(), unread, strict=True):
        yield None if hidden else value


def _rounded(weights: Weights, case: Case) -> Iterator[float | None]:
    """Yield each weight, with zero for what cannot be distinguished from it."""
    least = weights.uncertainty(np.zeros_like(weights.values))
    for value, small in zip(_known(weights, case), least.tolist(), strict=True):
        yield 0.0 if value is not None and abs(value) <= small else value


def _notes_of_terms(found: Finding) -> Iterator[str]:
    for name, each in found.terms:
        for note in each.notes:
            yield f"{name}: {sentence(note, name)}"
