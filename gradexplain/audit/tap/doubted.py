"""What a finding rests on and no tap can know: where it was tapped, its count, whose mean it is."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradexplain.audit.judge.case import Finding, Verdict, note
from gradexplain.audit.judge.decide import decide
from gradexplain.audit.tap.joint import joint
from gradexplain.audit.tap.rows import ROUNDED, Row, case_of, term_weights
from gradexplain.audit.tap.seen import Seen, Tapped
from gradexplain.audit.tap.ways import Way


def scaled_by(taps: Sequence[Tapped], times: Sequence[float]) -> Finding:
    """Return what to ask of losses that were scaled before they were tapped, by these factors."""
    k = next(k for k, each in enumerate(times) if not np.isclose(each, 1, rtol=ROUNDED, atol=0))
    own = [(tap, each) for tap, each in zip(taps, times, strict=True) if tap.term == taps[k].term]
    same = np.allclose([each for _, each in own], times[k], rtol=ROUNDED, atol=0)
    given = taps[k].count
    if given and not same and taps[k].saved is None:  # a sum, over what is no count of its targets
        divisors = [tap.count / each for tap, each in own if tap.count]
        if np.allclose(divisors, divisors[0], rtol=ROUNDED, atol=0):
            return Finding(Verdict.AMBIGUOUS, note("one divisor", divisor=divisors[0]))
        claim = note("count belied", parts=(k,), given=given, saved=given / times[k])
        return Finding(Verdict.AMBIGUOUS, claim)
    return Finding(Verdict.AMBIGUOUS, note("scaled by", parts=(k,), factor=times[k]))


def unsure(
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
    if said.ok is False and late and np.allclose(reads, own, rtol=ROUNDED, atol=0):
        return Finding(Verdict.AMBIGUOUS, note("scaled before", read=reads[0]))
    k = next((k for k, tap in enumerate(taps) if tap.belies()), None)
    if k is None or expect != "target" or said.ok is None:
        return None
    by_their_own = decide(case_of(list(_recounted(taps, rows)), expect, way.relative))
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


def maybe_one(
    everyone: Sequence[Seen], way: Way, rows: Sequence[Row], said: Finding, expect: object
) -> Finding | None:
    """Return that the losses may be one, tapped again, where the finding rests on it."""
    same = joint(everyone, rows) if expect == "target" and said.ok is not None else {}
    usual = term_weights(rows)
    meant = {term: times * weight for term, times in same.items() if (weight := usual[term])}
    if not meant:
        return None
    as_one = [replace(row, weight=meant.get(row.term, row.weight)) for row in rows]
    assumed = any(row.weight is None and row.term in meant for row in rows)
    right = decide(case_of(as_one, expect, way.relative)).ok
    if not (assumed if said.ok else right):
        return None
    term = next(iter(meant))
    claim = note("same loss", losses=same[term], weight=meant[term])
    return Finding(Verdict.AMBIGUOUS, claim, notes=(note("as it is read", claim=said.claim),))


def doubtful(
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
