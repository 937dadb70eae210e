"""What was found of each optimizer → the step's report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradexplain.audit.judge.case import MAIN, Case, Finding, Verdict, note
from gradexplain.audit.tap.rows import ROUNDED, Row, rows_of
from gradexplain.audit.tap.seen import Seen
from gradexplain.audit.tap.ways import Way
from gradexplain.audit.tell.advice import (
    TAPPED_QUESTIONS,
    TAPPED_TO_DO,
    TO_DO_FOR,
    UNREDUCED,
    fitting,
)
from gradexplain.audit.tell.report import Report, report_of
from gradexplain.audit.tell.sentences import digits
from gradexplain.audit.tell.text import Part


@dataclass(frozen=True, eq=False)
class Judged:
    """What one optimizer was handed: its parts, and what they say."""

    way: Way
    rows: tuple[Row, ...]
    case: Case
    found: Finding


def report(everyone: Sequence[Seen], each: Sequence[Judged]) -> Report:
    """Tell what was found; of several optimizers, the one that is off, or the first."""
    worst = min(each, key=lambda one: (one.found.ok is not False, one.found.ok is True))
    found = worst.found
    if len(each) > 1:
        lines = tuple((_label(one), one.found) for one in each)
        found = replace(found, parameters=found.parameters or lines)
    notes = []
    if len(everyone) > 1 and worst.way.watched and not worst.way.disagreeing:
        kind = "shards" if worst.way.sharded else "workers agree"
        notes.append(note(kind, workers=len(everyone)))
    details = tuple(_details(worst, len(everyone)))
    told = report_of(worst.case, found, _head(everyone, worst), details, tuple(notes))
    told = replace(
        told,
        parts=tuple(_as_read(told.parts, worst.rows)),
        to_do=_to_do(found, told.to_do),
        questions=_questions(worst, found, len(everyone), told.questions),
    )
    if worst.way.disagreeing:
        taps = [one.taps for one in everyone]
        by_worker = [rows_of(taps, own, worst.way.unsure) for own in worst.way.each]
        weights = tuple(tuple(row.value for row in rows) for rows in by_worker)
        told = replace(told, workers=weights)
    return told


def _as_read(parts: Sequence[Part], rows: Sequence[Row]) -> Iterator[Part]:
    """Yield the parts with what was read, where the judge took it for the expected weight.

    Where only float32's own rounding lies between the two, the expected weight is shown.
    """
    counted = [row for row in rows if row.count != 0]
    several = len({row.worker for row in counted}) > 1
    for part, row in zip(parts, counted, strict=True):
        own = replace(part, worker=row.worker) if several else part
        near = part.weight is not None and abs(row.value - part.weight) <= ROUNDED * abs(row.value)
        yield own if part.weight is None or near else replace(own, weight=row.value)


def _to_do(found: Finding, usual: str) -> str:
    """Say what to do; where the taps are right, a note may leave something."""
    if found.ok and any(each.kind == "untapped path" for each in found.notes):
        return TO_DO_FOR["untapped path"]
    return TO_DO_FOR.get(found.claim.kind, TAPPED_TO_DO.get(found.verdict, usual))


def _questions(
    one: Judged, found: Finding, workers: int, usual: tuple[str, ...]
) -> tuple[str, ...]:
    """Ask what the verdict leaves open, if its claim does not say it already."""
    if found.claim.kind == "clipped scaled":
        return ()
    if found.verdict is Verdict.DROPPED and workers > 1 and not any(r.value for r in one.rows):
        return (UNREDUCED,)
    return fitting(TAPPED_QUESTIONS.get(found.verdict, usual), found.factors)


def _label(one: Judged) -> str:
    terms = dict.fromkeys(row.term for row in one.rows)
    return one.way.optimizer if MAIN in terms else f"{one.way.optimizer} ({', '.join(terms)})"


def _head(everyone: Sequence[Seen], one: Judged) -> str:
    losses, workers = len({(row.worker, row.batch) for row in one.rows}), len(everyone)
    head = f"{losses} tapped loss{'es' if losses > 1 else ''}"
    if len(one.rows) > losses:
        head += f", {len(one.rows)} sequences"
    return head + (f" on {workers} workers" if workers > 1 else "")


def _details(one: Judged, workers: int) -> Iterator[str]:
    """Say what the losses handed out, and what happened on the way."""
    way, rows = one.way, one.rows
    if not way.watched:
        average = f": an average over {workers} workers is assumed" if workers > 1 else ""
        yield (
            f"What happens between backward and the optimizer was not watched ({way.obstacle})"
            f"{average}."
        )
        return
    factors = list(way.factors.values())
    if len(set(factors)) == 1:
        yield f"From backward to {way.optimizer}: × {digits(factors[0])} in every pass."
    else:
        shown = ", ".join(f"× {digits(c)}" for c in factors[:8]) + (", …" if factors[8:] else "")
        yield f"From backward to {way.optimizer}, pass by pass: {shown}."
    if any(not np.isclose(row.read, row.value, rtol=1e-9, atol=0) for row in rows):
        shown = ", ".join(digits(row.read) for row in rows[:8]) + (", …" if rows[8:] else "")
        yield f"Read at the losses: {shown}."
