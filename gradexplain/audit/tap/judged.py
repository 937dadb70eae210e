"""From what taps read to a report: the way of the gradients, the parts' weights, the finding."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradexplain.audit.judge.case import Case, Finding, Note, Verdict, note
from gradexplain.audit.judge.decide import decide
from gradexplain.audit.tap.asked import divided_twice, only_tapped
from gradexplain.audit.tap.doubted import doubtful, maybe_one, scaled_by, unsure
from gradexplain.audit.tap.hidden import blind
from gradexplain.audit.tap.noted import bypassed, notes
from gradexplain.audit.tap.replicas import as_workers
from gradexplain.audit.tap.rows import ROUNDED, Row, case_of, rows_of
from gradexplain.audit.tap.seen import Seen
from gradexplain.audit.tap.told import Judged, report
from gradexplain.audit.tap.ways import Way, ways_of
from gradexplain.audit.tell.report import Report
from gradexplain.audit.tell.sentences import digits

TO_TAP = (
    "add `loss = step.tap(loss, targets=...)` before anything divides the loss, "
    "for each of its terms with its own term="
)
_USUAL = 1e-3  # a smaller bound of a gradient's norm is none that was meant
_FACTOR = Verdict.RESCALED
_NAMED = {_FACTOR, Verdict.MEAN_OF_MEANS, Verdict.MEAN_OF_GROUP_MEANS}
_ASKED = {"divided twice?", "only tapped"}  # by `asked`, instead of what would be named
_BY_WEIGHT = {*_NAMED, Verdict.EXACT, Verdict.REWEIGHTED}  # what weights alone say


def judged(
    everyone: Sequence[Seen],
    *,
    expect: object = "target",
    clipped: bool = False,
    to_tap: str = TO_TAP,
) -> Report:
    """Return the report of a step.

    Args:
        everyone: what each worker saw.
        expect: "target", "part" or weights.
        clipped: whether a common factor below 1 is a clip.
        to_tap: how a loss is tapped, for the error that none was.

    Raises:
        ValueError: nothing was tapped, or the taps contradict each other or `expect`.
    """
    if not any(one.taps for one in everyone):
        first = dict.fromkeys(reason for one in everyone for reason in one.not_read[:1])
        reasons = "".join(f" ({reason})" for reason in first)
        raise ValueError(f"watch must be shown a loss, but none was tapped{reasons}: {to_tap}")
    everyone = as_workers(everyone)
    ways = ways_of(everyone, clipped=clipped)
    found = [_of_way(everyone, way, expect, several=len(ways) > 1) for way in ways]
    concerned = [one for one in found if one is not None]
    if not concerned:  # nothing came back to any loss, so no optimizer has one of its own
        concerned = [_judged(everyone, way, _rows(everyone, way), expect) for way in ways]
    return report(everyone, concerned)


def _of_way(everyone: Sequence[Seen], way: Way, expect: object, *, several: bool) -> Judged | None:
    """Judge what one optimizer was handed; None if no tapped loss was meant for it."""
    rows = _rows(everyone, way)
    terms = {row.term for row in rows if row.value != 0 or row.unread}
    if several:
        reached = {row.term for row in rows if row.back}
        rows = tuple(row for row in rows if row.term in (terms or reached))
    if not rows:
        return None
    found = _before(everyone, _judged(everyone, way, rows, expect), expect)
    return _by_number(everyone, found, expect) if found.found.ok is False else found


def _by_number(everyone: Sequence[Seen], one: Judged, expect: object) -> Judged:
    """Judge sums of losses with class weights by the number of their targets, if that fits."""
    if not any(tap.number is not None for seen in everyone for tap in seen.taps):
        return one
    everyone = [
        replace(seen, taps=tuple(replace(t, count=t.number or t.count) for t in seen.taps))
        for seen in everyone
    ]
    kept = {row.term for row in one.rows}
    rows = tuple(row for row in _rows(everyone, one.way) if row.term in kept)
    other = _judged(everyone, one.way, rows, expect)
    if other.found.verdict is Verdict.REWEIGHTED is not one.found.verdict:
        return one
    return replace(other, found=other.found.with_notes(note("by number")))


def _before(everyone: Sequence[Seen], one: Judged, expect: object) -> Judged:
    """Judge losses that were scaled before they were tapped by what they were before that.

    A factor that is the same in all of them may be meant, so it is asked about.
    """
    taps = [everyone[row.worker].taps[row.batch] for row in one.rows]
    times = [1.0 if row.count == 0 else tap.times for tap, row in zip(taps, one.rows, strict=True)]
    asked = one.found.verdict is Verdict.PARTS_ARE_SUMS
    known = [each for each in times if each is not None]
    if (
        len(known) < len(times)
        or np.allclose(known, 1, rtol=ROUNDED, atol=0)
        or not (isinstance(expect, str) and (asked or one.found.verdict in _BY_WEIGHT))
        or one.way.clipped_scaled is not None
    ):
        return one
    rows = tuple(
        replace(row, value=row.value * each, read=row.read * each, unit=4 * row.unit, tapped=False)
        for row, each in zip(one.rows, known, strict=True)
    )
    other = _judged(everyone, one.way, rows, expect)
    late = any(tap.scaled for tap in taps)
    if one.found.ok and all(tap.halved for tap in taps if tap.count != 0):
        return one
    if late and other.found.ok is not True and (one.found.ok or other.found.verdict is _FACTOR):
        return replace(one, found=scaled_by(taps, known))
    if one.found.ok or (asked and not late and not other.found.ok):
        return one
    if other.found.ok or other.found.verdict in _NAMED or other.found.claim.kind in _ASKED:
        return replace(other, found=other.found.with_notes(note("before the tap")))
    return one


def _rows(everyone: Sequence[Seen], way: Way) -> tuple[Row, ...]:
    return rows_of([one.taps for one in everyone], way.factors, way.unsure)


def _judged(everyone: Sequence[Seen], way: Way, rows: tuple[Row, ...], expect: object) -> Judged:
    case = case_of(rows, expect, way.relative)
    return Judged(way, rows, case, _found(everyone, way, rows, case, expect))


def _found(
    everyone: Sequence[Seen], way: Way, rows: Sequence[Row], case: Case, expect: object
) -> Finding:
    """Return the finding: what hides the weights first, then what they say."""
    beside = tuple(notes(everyone, way, rows))
    hidden = blind(everyone, way)
    if hidden is not None:
        return hidden.with_notes(_at_the_losses(everyone, way, expect), *beside)
    said = decide(case)
    if way.disagreeing:
        where = note("workers differ in", first=way.disagreeing[0], differ=len(way.disagreeing))
        claim = note("workers disagree")
        return Finding(Verdict.WORKERS_DISAGREE, claim).with_notes(where, *beside)
    if way.strays:
        return _uneven(everyone, way, said, expect).with_notes(*beside)
    found = (
        maybe_one(everyone, way, rows, said, expect)
        or unsure(everyone, way, rows, said, expect)
        or _inside(rows, said)
        or divided_twice(rows, case, said)
        or (only_tapped(rows, case, said) if bypassed(everyone, way) else None)
        or said
    )
    found = doubtful(everyone, way, rows, found) or found
    return _beside(found, _scaled(way)).with_notes(*beside)


def _scaled(way: Way) -> Finding | None:
    """Return what is wrong with a clip of gradients that were still scaled."""
    if way.clipped_scaled is None:
        return None
    scale, factor = way.clipped_scaled.scale, way.clipped_scaled.factor
    power = math.log2(scale)
    whole = round(power) if abs(power - round(power)) < 1e-4 and abs(power) > 1.5 else None
    shown = digits(scale) if whole is None else f"2^{digits(whole)}"
    if way.clipped_scaled.bound >= _USUAL * scale:
        claim = note("clipped scaled, bound too", scale=shown, bound=way.clipped_scaled.bound)
        return Finding(Verdict.AMBIGUOUS, claim)
    return Finding(Verdict.RESCALED, note("clipped scaled", scale=shown), factor)


def _beside(found: Finding, other: Finding | None) -> Finding:
    """Return the worse of two findings, with the claim of the other as a note."""
    if other is None:
        return found
    worse, less = (found, other) if found.ok is False else (other, found)
    return worse.with_notes(*less.notes) if less.ok else worse.with_notes(less.claim, *less.notes)


def _inside(rows: Sequence[Row], said: Finding) -> Finding | None:
    """Return what is wrong inside micro-batches, where nothing is between them."""
    spread = [k for k, row in enumerate(rows) if row.spread]
    if spread and said.ok is not False:
        share = max(row.spread for row in rows)
        claim = note("uneven inside", parts=tuple(spread), share=share)
        return Finding(Verdict.REWEIGHTED, claim)
    beside = [k for k, row in enumerate(rows) if row.beside]
    if beside and said.ok is not False:
        return Finding(Verdict.REWEIGHTED, note("beside the mask", parts=tuple(beside)))
    return None


def _uneven(everyone: Sequence[Seen], way: Way, said: Finding, expect: object) -> Finding:
    """Judge the parameters that took another path separately."""
    lines = [("the others", said)]
    for stray in way.strays:
        label = stray.names[0] + (f" and {len(stray.names) - 1} more" if stray.names[1:] else "")
        if stray.factors is None:
            claim = note("way lost", share=stray.remainder)
            lines.append((label, Finding(Verdict.UNEXPLAINED, claim)))
        else:
            factors = dict(zip(way.factors, stray.factors.tolist(), strict=True))
            rows = rows_of([one.taps for one in everyone], factors, way.unsure)
            lines.append((label, decide(case_of(rows, expect, way.relative))))
    return Finding(Verdict.UNEVEN, note("uneven way"), parameters=tuple(lines))


def _at_the_losses(everyone: Sequence[Seen], way: Way, expect: object) -> Note:
    """Add what only the losses say, where something else decides."""
    plain = dict.fromkeys(way.factors, 1 / len(everyone))
    rows = rows_of([one.taps for one in everyone], plain, dict.fromkeys(way.factors, 0.0))
    return note("at the losses", claim=decide(case_of(rows, expect, 0.0)).claim)
