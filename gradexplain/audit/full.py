"""The full gradient F against the parts: it is their weighted mean, or no mean of them at all."""

from gradexplain.audit.case import Case, Finding, Verdict, digits


def against_full(case: Case) -> Finding | None:
    """Speak where F is outside the parts' span, or in it with other weights than the counts'."""
    F, A = case.full, case.accumulated
    if F is None:
        return None
    meets = case.distance <= A.outer + A.inner
    if F.outside > F.outer:
        if meets:
            note = "F is no weighted sum of the parts, so they could not have made A"
            return Finding(Verdict.EXACT, "A is the full gradient.", notes=(note,))
        says = "The full gradient is no weighted sum of the parts: no weights would make it right."
        return Finding(Verdict.NOT_A_MEAN, says, notes=_by_counts(case))
    if case.known.counts is None or not case.roomy or F.fits(case.right, sharply=False):
        return None
    says = "The full gradient weighs the parts by other weights than their counts."
    listed = ", ".join(digits(w) for w in F.weights[:8]) + (", …" if len(F.weights) > 8 else "")
    notes = (f"F's weights: {listed}", *_by_counts(case))
    if meets:
        notes = (*notes, "A is the full gradient: only the counts handed in are wrong")
    return Finding(Verdict.COUNTS_DIFFER, says, notes=notes, telling=not meets)


def _by_counts(case: Case) -> tuple[str, ...]:
    """Say how A stands to the weights of the counts, where F is not to be had."""
    if case.known.counts is None:
        return ()
    if case.accumulated.fits(case.right):
        return ("A is the mean of the parts by their counts",)
    return ("A is not the mean of the parts by their counts either",)
