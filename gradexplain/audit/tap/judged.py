"""From what taps read to a report: the way of the gradients, the parts' weights, the finding."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradexplain.audit.judge.case import MAIN, Case, Finding, Note, Verdict, note
from gradexplain.audit.judge.decide import decide
from gradexplain.audit.tap.asked import divided_twice, only_tapped
from gradexplain.audit.tap.joint import joint
from gradexplain.audit.tap.replicas import alike, as_workers
from gradexplain.audit.tap.rows import Row, case_of, rows_of, term_weights
from gradexplain.audit.tap.seen import Seen, Tapped
from gradexplain.audit.tap.ways import Way, ways_of
from gradexplain.audit.tell.advice import TAPPED_QUESTIONS, TAPPED_TO_DO, TO_DO_FOR
from gradexplain.audit.tell.report import Report, report_of
from gradexplain.audit.tell.sentences import digits
from gradexplain.audit.tell.text import Part

_LITTLE = 0.1  # a factor of one pass that is off by less is not worth a note where it is hidden
_USUAL = 1e-3  # a smaller bound of a gradient's norm is none that was meant
_ROUNDED = 1e-6  # what rounding in float32 may change of a weight
_FACTOR = Verdict.RESCALED
_NAMED = {_FACTOR, Verdict.MEAN_OF_MEANS, Verdict.MEAN_OF_GROUP_MEANS}
_ASKED = {"divided twice?", "only tapped"}  # by `asked`, instead of what would be named
_BY_WEIGHT = {*_NAMED, Verdict.EXACT, Verdict.REWEIGHTED}  # what weights alone say


@dataclass(frozen=True, eq=False)
class Judged:
    """What one optimizer was handed: its parts, and what they say."""

    way: Way
    rows: tuple[Row, ...]
    case: Case
    found: Finding


def judged(everyone: Sequence[Seen], *, expect: object = "target", clipped: bool = False) -> Report:
    """Return the report of a step.

    Args:
        everyone: what each worker saw.
        expect: "target", "part" or weights.
        clipped: whether a common factor below 1 is a clip.

    Raises:
        ValueError: nothing was tapped, or the taps contradict each other or `expect`.
    """
    if not any(one.taps for one in everyone):
        first = dict.fromkeys(reason for one in everyone for reason in one.not_read[:1])
        reasons = "".join(f" ({reason})" for reason in first)
        raise ValueError(
            f"watch must be shown a loss, but none was tapped{reasons}: "
            "add `loss = step.tap(loss, targets=...)` before anything divides the loss, "
            "for each of its terms with its own term="
        )
    everyone = as_workers(everyone)
    ways = ways_of(everyone, clipped=clipped)
    found = [_of_way(everyone, way, expect, several=len(ways) > 1) for way in ways]
    concerned = [one for one in found if one is not None]
    if not concerned:  # nothing came back to any loss, so no optimizer has one of its own
        concerned = [_judged(everyone, way, _rows(everyone, way), expect) for way in ways]
    return _report(everyone, concerned)


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
        or np.allclose(known, 1, rtol=_ROUNDED, atol=0)
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
        return replace(one, found=_scaled_by(taps, known))
    if one.found.ok or (asked and not late and not other.found.ok):
        return one
    if other.found.ok or other.found.verdict in _NAMED or other.found.claim.kind in _ASKED:
        return replace(other, found=other.found.with_notes(note("before the tap")))
    return one


def _scaled_by(taps: Sequence[Tapped], times: Sequence[float]) -> Finding:
    """Ask what was done to the losses before they were tapped."""
    k = next(k for k, each in enumerate(times) if not np.isclose(each, 1, rtol=_ROUNDED, atol=0))
    same = np.allclose(times, times[k], rtol=_ROUNDED, atol=0)
    given = taps[k].count
    if given and not same and taps[k].saved is None:  # a sum, over what is no count of its targets
        claim = note("count belied", parts=(k,), given=given, saved=given / times[k])
        return Finding(Verdict.AMBIGUOUS, claim)
    return Finding(Verdict.AMBIGUOUS, note("scaled by", parts=(k,), factor=times[k]))


def _rows(everyone: Sequence[Seen], way: Way) -> tuple[Row, ...]:
    return rows_of([one.taps for one in everyone], way.factors, way.unsure)


def _judged(everyone: Sequence[Seen], way: Way, rows: tuple[Row, ...], expect: object) -> Judged:
    case = case_of(rows, expect, way.relative)
    return Judged(way, rows, case, _found(everyone, way, rows, case, expect))


def _decided(case: Case) -> Finding:
    """Return what the weights say; without any target there is nothing to weigh."""
    if not len(case.expected):
        return Finding(Verdict.AMBIGUOUS, note("no targets"))
    return decide(case)


def _found(
    everyone: Sequence[Seen], way: Way, rows: Sequence[Row], case: Case, expect: object
) -> Finding:
    """Return the finding: what hides the weights first, then what they say."""
    notes = tuple(_notes(everyone, way, rows))
    blind = _blind(everyone, way)
    if blind is not None:
        return blind.with_notes(_at_the_losses(everyone, way, expect), *notes)
    said = _decided(case)
    if way.disagreeing:
        where = note("workers differ in", first=way.disagreeing[0], differ=len(way.disagreeing))
        claim = note("workers disagree")
        return Finding(Verdict.WORKERS_DISAGREE, claim).with_notes(where, *notes)
    if way.strays:
        return _uneven(everyone, way, said, expect).with_notes(*notes)
    found = (
        _maybe_one(everyone, way, rows, said, expect)
        or _unsure(everyone, way, rows, said, expect)
        or _inside(rows, said)
        or divided_twice(rows, case, said)
        or (only_tapped(rows, case, said) if _bypassed(everyone, way) else None)
        or said
    )
    found = _doubtful(everyone, way, rows, found) or found
    return _beside(found, _scaled(way)).with_notes(*notes)


def _scaled(way: Way) -> Finding | None:
    """Return what is wrong with a clip of gradients that were still scaled."""
    if way.clipped_scaled is None:
        return None
    scale, factor = way.clipped_scaled.scale, way.clipped_scaled.factor
    power = math.log2(scale)
    whole = round(power) if abs(power - round(power)) < 1e-4 and abs(power) > 1.5 else None
    shown = digits(scale) if whole is None else f"2^{whole}"
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


def _unsure(
    everyone: Sequence[Seen], way: Way, rows: Sequence[Row], said: Finding, expect: object
) -> Finding | None:
    """Return what makes the finding depend on where a loss was tapped, or on a count it belies."""
    taps = [everyone[row.worker].taps[row.batch] for row in rows]
    reads = [row.read for row in rows]
    late = all(tap.scaled for tap in taps) and any(tap.times is None for tap in taps)
    # A framework's own loss is divided by the framework alone, a loss per target after its tap.
    divided_later = any(one.apart for one in everyone) or any(
        math.prod(tap.shape) > 1 for tap in taps
    )
    own = 1.0 if divided_later else reads[0]
    if said.ok is False and late and np.allclose(reads, own, rtol=_ROUNDED, atol=0):
        return Finding(Verdict.AMBIGUOUS, note("scaled before", read=reads[0]))
    k = next((k for k, tap in enumerate(taps) if tap.belies()), None)
    if k is None or expect != "target" or said.ok is None:
        return None
    by_their_own = _decided(case_of(list(_recounted(taps, rows)), expect, way.relative))
    same = by_their_own.ok or by_their_own.verdict is Verdict.RESCALED
    if (said.ok and by_their_own.ok) or (said.ok is False and not same):
        return None
    claim = note("count belied", parts=(k,), given=taps[k].count, saved=taps[k].saved)
    return Finding(Verdict.AMBIGUOUS, claim)


def _recounted(taps: Sequence[Tapped], rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the rows with the counts that their losses use."""
    known = all(tap.saved is not None or tap.count == 0 for tap in taps)
    for tap, row in zip(taps, rows, strict=True):
        if tap.belies() and tap.count and tap.saved is not None:
            times = tap.saved / tap.count if tap.summed and row.tapped else 1.0
            yield replace(row, count=tap.saved, value=row.value * times)
        else:
            yield row if known else replace(row, unread=True)


def _maybe_one(
    everyone: Sequence[Seen], way: Way, rows: Sequence[Row], said: Finding, expect: object
) -> Finding | None:
    """Return that the losses may be one, tapped again, where the finding rests on it."""
    same = joint(everyone, rows) if expect == "target" and said.ok is not None else {}
    if not same:
        return None
    usual = term_weights(rows)
    meant = {term: times * (usual[term] or 1.0) for term, times in same.items()}
    as_one = [replace(row, weight=meant.get(row.term, row.weight)) for row in rows]
    assumed = any(usual[row.term] and row.weight is None and row.term in same for row in rows)
    right = _decided(case_of(as_one, expect, way.relative)).ok
    if not (assumed if said.ok else right):
        return None
    term = next(iter(same))
    claim = note("same loss", losses=same[term], weight=meant[term])
    return Finding(Verdict.AMBIGUOUS, claim, notes=(note("as it is read", claim=said.claim),))


def _doubtful(
    everyone: Sequence[Seen], way: Way, rows: Sequence[Row], said: Finding
) -> Finding | None:
    """Return what a reader can't know, where a mistake would rest on it."""
    doubts = {everyone[row.worker].taps[row.batch].doubt for row in rows}
    lost = said.verdict is Verdict.DROPPED and 0 in way.factors.values()
    if said.ok is not False or lost:
        return None
    batches = [(row.worker, row.batch) for row in rows]
    uneven = any(row.spread for row in rows) or len(set(batches)) < len(batches)
    masked = said.verdict is Verdict.DROPPED and any(row.back and row.read == 0 for row in rows)
    plain = said.verdict in {Verdict.RESCALED, Verdict.REWEIGHTED}
    cases = (
        ("several", True, note("doubtful several")),
        ("passes", True, note("doubtful passes")),
        ("squares", True, note("doubtful squares")),
        ("targets", plain or masked, note("doubtful targets")),
        ("inside", (plain and uneven) or masked, note("doubtful inside")),
    )
    for doubt, concerned, claim in cases:
        if doubt in doubts and concerned:
            notes = (note("as it is read", claim=said.claim),)
            return Finding(Verdict.AMBIGUOUS, claim, notes=notes)
    return None


def _blind(everyone: Sequence[Seen], way: Way) -> Finding | None:
    """Return what keeps the weights from saying how the step averages."""
    infinite = _not_finite(everyone)
    if infinite is not None and not (way.watched and way.finite):
        return Finding(Verdict.UNEXPLAINED, infinite)
    if not way.finite:
        return Finding(Verdict.UNEXPLAINED, note("gradient not finite"))
    return _spoiled(way) or _past(everyone, way)


def _not_finite(everyone: Sequence[Seen]) -> Note | None:
    """Name the first loss that is not finite; it may do no harm, if nothing comes back to it."""
    for one in everyone:
        for k, tap in enumerate(one.taps):
            if not tap.finite:
                kind = "nothing to average" if tap.count == 0 else "loss not finite"
                return note(kind, batch=k)
    return None


def _spoiled(way: Way) -> Finding | None:
    """Return what became of the gradients that no weights explain."""
    if way.cut and not way.disagreeing:
        return Finding(Verdict.UNEXPLAINED, note("cut", names=way.cut[0], more=len(way.cut)))
    if way.held:
        return Finding(Verdict.EXTRA_TERM, note("left over", factor=way.held))
    if way.remainder > way.tolerance:
        return Finding(Verdict.UNEXPLAINED, note("way lost", share=way.remainder))
    return None


def _past(everyone: Sequence[Seen], way: Way) -> Finding | None:
    """Return the first pass that reached the optimizer though no loss in it was tapped."""
    for (w, k), c in way.factors.items():
        if c != 0 and not any(k in tap.read for tap in everyone[w].taps):
            claim = note("untapped pass", one=k, name=everyone[w].untapped.get(k, "a parameter"))
            why = tuple(note("not read", reason=reason) for reason in everyone[w].not_read[:1])
            return Finding(Verdict.AMBIGUOUS, claim, notes=why)
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
            lines.append((label, _decided(case_of(rows, expect, way.relative))))
    return Finding(Verdict.UNEVEN, note("uneven way"), parameters=tuple(lines))


def _at_the_losses(everyone: Sequence[Seen], way: Way, expect: object) -> Note:
    """Add what only the losses say, where something else decides."""
    plain = dict.fromkeys(way.factors, 1 / len(everyone))
    rows = rows_of([one.taps for one in everyone], plain, dict.fromkeys(way.factors, 0.0))
    return note("at the losses", claim=_decided(case_of(rows, expect, 0.0)).claim)


def _notes(everyone: Sequence[Seen], way: Way, rows: Sequence[Row]) -> Iterator[Note]:
    clips = sorted(set(way.clips))
    if clips:
        kind = "clipped" if len(clips) == 1 else "clipped by groups"
        yield note(kind, factor=clips[0])
    if way.clipped_early:
        yield note("clipped early", factor=way.clipped_early)
    away = [k for k, row in enumerate(rows) if not row.back]
    if away:
        yield note("never back", parts=tuple(away))
    infinite = _not_finite(everyone)
    if infinite is not None and way.watched and way.finite:
        yield infinite
    empty = sum(row.count == 0 for row in rows)
    if empty:
        yield note("empty", batches=empty)
    if way.hidden > _LITTLE:
        yield note("rounding hides", share=way.hidden)
    if way.coarse:
        yield note("coarse way", share=way.remainder)
    beside = _bypassed(everyone, way)
    if beside:
        yield note("untapped path", name=beside[0])
    yield from _about_ranks(everyone)
    coupled = [name for one in everyone for name in one.coupled]
    if coupled and len(rows) > 1:
        yield note("coupled", name=coupled[0])


def _bypassed(everyone: Sequence[Seen], way: Way) -> list[str]:
    """Name the parameters that passes with taps also reach without passing one."""
    return [
        name
        for w, seen in enumerate(everyone)
        for one, name in seen.untapped.items()
        if way.factors.get((w, one)) and any(one in tap.read for tap in seen.taps)
    ]


def _about_ranks(everyone: Sequence[Seen]) -> Iterator[Note]:
    """Yield what was taken for granted of the ranks, and of losses that only some of them try."""
    ranks, losses = len(everyone[0].replicas), everyone[0].losses_on
    if ranks > 1:
        kind = "replicas" if losses == ranks else "stages"
        yield note(kind, ranks=ranks, losses=losses)
    same = alike(everyone)
    if same:
        yield note("same data", one=same[0], other=same[1])
    returned = sum(one.returned for one in everyone)
    if returned:
        yield note("only returned", losses=returned)


def _report(everyone: Sequence[Seen], each: Sequence[Judged]) -> Report:
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
    report = report_of(worst.case, found, _head(everyone, worst), details, tuple(notes))
    report = replace(
        report,
        parts=tuple(_as_read(report.parts, worst.rows)),
        to_do=_to_do(found, report.to_do),
        questions=_questions(found, report.questions),
    )
    if worst.way.disagreeing:
        weights = tuple(
            tuple(
                row.value for row in rows_of([one.taps for one in everyone], own, worst.way.unsure)
            )
            for own in worst.way.each
        )
        report = replace(report, workers=weights)
    return report


def _as_read(parts: Sequence[Part], rows: Sequence[Row]) -> Iterator[Part]:
    """Yield the parts with what was read, where the judge took it for the expected weight.

    Where only float32's own rounding lies between the two, the expected weight is shown.
    """
    counted = [row for row in rows if row.count != 0]
    several = len({row.worker for row in counted}) > 1
    for part, row in zip(parts, counted, strict=True):
        own = replace(part, worker=row.worker) if several else part
        near = part.weight is not None and abs(row.value - part.weight) <= _ROUNDED * abs(row.value)
        yield own if part.weight is None or near else replace(own, weight=row.value)


def _to_do(found: Finding, usual: str) -> str:
    """Say what to do; where the taps are right, a note may leave something."""
    if found.ok and any(each.kind == "untapped path" for each in found.notes):
        return TO_DO_FOR["untapped path"]
    return TO_DO_FOR.get(found.claim.kind, TAPPED_TO_DO.get(found.verdict, usual))


def _questions(found: Finding, usual: tuple[str, ...]) -> tuple[str, ...]:
    """Ask what the verdict leaves open, if its claim does not say it already."""
    if found.claim.kind == "clipped scaled":
        return ()
    return TAPPED_QUESTIONS.get(found.verdict, usual)


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
