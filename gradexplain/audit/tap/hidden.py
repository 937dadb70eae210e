"""What keeps the weights from saying how a step averages."""

from collections.abc import Sequence

from gradexplain.audit.judge.case import Finding, Note, Verdict, note
from gradexplain.audit.tap.seen import Seen
from gradexplain.audit.tap.ways import Way


def blind(everyone: Sequence[Seen], way: Way) -> Finding | None:
    """Return what keeps the weights from saying how the step averages."""
    infinite = not_finite(everyone)
    if infinite is not None and not (way.watched and way.finite):
        return Finding(Verdict.UNEXPLAINED, infinite)
    if not way.finite:
        return Finding(Verdict.UNEXPLAINED, note("gradient not finite"))
    return _spoiled(way) or _past(everyone, way)


def not_finite(everyone: Sequence[Seen]) -> Note | None:
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
