"""What else was seen in a step, and what was taken for granted."""

from collections.abc import Iterator, Sequence

from gradexplain.audit.judge.case import Note, note
from gradexplain.audit.tap.hidden import not_finite
from gradexplain.audit.tap.replicas import alike
from gradexplain.audit.tap.rows import Row
from gradexplain.audit.tap.seen import Seen
from gradexplain.audit.tap.ways import Way

_LITTLE = 0.1  # a factor of one pass that is off by less is not worth a note where it is hidden


def notes(everyone: Sequence[Seen], way: Way, rows: Sequence[Row]) -> Iterator[Note]:
    """Yield what stands beside a finding, whatever it is."""
    clips = sorted(set(way.clips))
    if clips:
        kind = "clipped" if len(clips) == 1 else "clipped by groups"
        yield note(kind, factor=clips[0])
    if way.clipped_early:
        yield note("clipped early", factor=way.clipped_early)
    away = [k for k, row in enumerate(rows) if not row.back]
    if away:
        yield note("never back", parts=tuple(away))
    infinite = not_finite(everyone)
    if infinite is not None and way.watched and way.finite:
        yield infinite
    empty = sum(row.count == 0 for row in rows)
    if empty:
        yield note("empty", batches=empty)
    if way.hidden > _LITTLE:
        yield note("rounding hides", share=way.hidden)
    if way.coarse:
        yield note("coarse way", share=way.remainder)
    beside = bypassed(everyone, way)
    if beside:
        yield note("untapped path", name=beside[0])
    yield from _about_ranks(everyone)
    coupled = [name for one in everyone for name in one.coupled]
    if coupled and len(rows) > 1:
        yield note("coupled", name=coupled[0])


def bypassed(everyone: Sequence[Seen], way: Way) -> list[str]:
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
