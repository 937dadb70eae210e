"""The verdict: which simple story the weights tell, and no more than they tell."""
# How the decision is made. `ORDER` lists the steps; the first with something to say decides. A
# step says nothing that a later one could contradict.
#
#  1. Every part is zero: no weight leaves a trace.
#  2. The first part, computed again, differs: nothing can be compared.
#  3. F, the full gradient. Outside the parts' span it is no mean of them, whatever A is; inside,
#     with other weights than the counts', the counts are not the loss's.
#  4. Fewer than ten numbers to spare beyond the parts' rank: any A could be matched.
#  5. A is the mean, as a whole and in each parameter: exact, unless some fault would have looked
#     the same on this batch (a mean of means, a part left out, any factor): then ambiguous. With
#     equal counts a mean of means is no fault; a note says that it could not have been seen.
#  6. A is outside the span, as a whole or in a parameter: uneven, if each parameter fits by
#     itself; an extra term, if a column that was handed in explains it; else unexplained. On a
#     sketch, where the weights move once A is outside, unexplained at once.
#  7. A is zero: everything was dropped. A is next to zero: ambiguous.
#  8. One candidate fits up to a factor (right weights, every part alike, means of groups): it is
#     named. Several do: ambiguous. The right weights fit only loosely: ambiguous.
#  9. A weight is blurred by a quarter of itself: ambiguous, with the sums that are sharp.
# 10. Some weights are zero, the others in proportion: dropped.
# 11. Anything else: reweighted, with the patterns that are known.
#
# "Fits" (weights.py) is loose or sharp. Loosely, what is left over lies within the tolerances.
# Sharply, each weight that can be read is also right by itself, within its own blur. To name a
# weighting takes a sharp fit.

from collections.abc import Callable

import numpy as np

from gradexplain.audit.candidates import candidates, factor_names, lookalikes, patterns, proportions
from gradexplain.audit.case import Case, Finding, Verdict, digits, places
from gradexplain.audit.full import against_full
from gradexplain.audit.gram import SPARE
from gradexplain.audit.outside import extra_term, strays, too_short, uneven, unexplained
from gradexplain.audit.sums import determined_sums


def decide(case: Case) -> Finding:
    """Return the first finding, in `ORDER`."""
    return next(found for step in ORDER if (found := step(case)) is not None)


def _all_zero(case: Case) -> Finding | None:
    A = case.accumulated
    if A.visible.any():
        return None
    if A.outside > A.outer:
        return unexplained(case)
    to_do = "Audit a step whose gradients are not zero."
    return Finding(Verdict.AMBIGUOUS, "Every part is zero: no weight leaves a trace.", to_do=to_do)


def _irreproducible(case: Case) -> Finding | None:
    A = case.accumulated
    tolerance = max(4 * A.unit * len(case.right) ** 0.5, 1e-7) * A.norms[0]
    if case.moved <= tolerance:
        return None
    share = digits(case.moved / A.norms[0]) if A.norms[0] else "all"
    says = f"The first part, computed again, differs by {share} of its length: randomness in it "
    return Finding(Verdict.NOT_REPRODUCIBLE, says + "hides what the weights are.")


def _crowded(case: Case) -> Finding | None:
    if case.roomy:
        return None
    A = case.accumulated
    says = (
        f"The parts span {A.rank} directions of {case.spread} numbers that are not zero: with "
        f"fewer than {SPARE} to spare, almost any gradient is some weighted sum of them."
    )
    fitting = "A agrees with the right weights, as far as this can show"
    return Finding(
        Verdict.AMBIGUOUS,
        says,
        to_do="Audit with fewer parts than parameters, or with more parameters.",
        notes=(fitting,) if A.fits(case.right, sharply=False) else (),
    )


def _exact(case: Case) -> Finding | None:
    A = case.accumulated
    if not A.fits(case.right) or strays(case):
        return None
    alike = [f"one that {text}" for _, text, weights in candidates(case)[1:] if A.fits(weights)]
    alike += lookalikes(case)
    if len(case.right) == 1:
        alike = ["any mean at all, for there is one part"]
    if A.cancels(case.right):
        alike.append("one times any factor, for the mean is zero")
    if alike:
        return _also(f"is the mean gradient; on this batch it is also {'; '.join(alike[:4])}")
    notes: tuple[str, ...] = ()
    if case.same(case.right, np.full_like(case.right, 1 / len(case.right))):
        notes = ("the counts are equal, so a mean of means would look the same: feed unequal ones",)
    return Finding(Verdict.EXACT, "A is the mean gradient.", notes=notes)


def _outside(case: Case) -> Finding | None:
    A = case.accumulated
    if A.outside <= A.outer and not (A.fits(case.right) and strays(case)):
        return None
    if case.known.sketched is not None:
        return too_short(case) or unexplained(case)
    return uneven(case, decide) or extra_term(case) or too_short(case) or unexplained(case)


def _nothing_left(case: Case) -> Finding | None:
    A = case.accumulated
    if A.peak == 0:
        return Finding(Verdict.DROPPED, "A is zero: every part was dropped.", factor=0.0)
    return _also("is too short beside the parts to be read") if A.length <= A.floor else None


def _up_to_a_factor(case: Case) -> Finding | None:
    A, fitting = case.accumulated, []
    for verdict, text, weights in candidates(case):
        factor, blur = A.factor(weights)
        if np.isfinite(blur) and A.fits(factor * weights):
            fitting.append((verdict, text, factor, blur))
    if not fitting and A.fits(case.right, sharply=False):
        says = "A is near the mean gradient, but rounding hides which weights it has."
        return Finding(Verdict.AMBIGUOUS, says)
    if len(fitting) > 1:
        listed = "; or ".join(f"{text}, times {digits(factor)}" for _, text, factor, _ in fitting)
        return _also(f"{listed}: each would fit")
    if not fitting:
        return None
    verdict, text, factor, blur = fitting[0]
    times = "" if abs(factor - 1) <= blur else f", times {digits(factor)}"
    names = factor_names(case, factor, blur) if times else []
    if factor < 0:
        names.append("negative: a sign was turned")
    alike = lookalikes(case)
    if alike:
        return _also(f"{text}{times}; or it is {'; '.join(alike[:4])}: each would fit")
    if times and not names and _blurred(case):
        return None
    unread = np.flatnonzero(A.unread(case.right) & (case.right != 0))
    if unread.size:
        names.append(f"{places(unread)} cannot be told, but for the others this is what fits")
    return Finding(verdict, f"A {text}{times}.", factor if times else 1.0, notes=tuple(names))


def _also(says: str) -> Finding:
    return Finding(Verdict.AMBIGUOUS, f"A {says}.")


def _blurred(case: Case) -> Finding | None:
    A = case.accumulated
    lost = np.flatnonzero(A.unread(case.right))
    if not lost.size:
        return None
    says = f"The weights of {places(lost)} cannot be told: nearly parallel, too short, or too many."
    return Finding(Verdict.AMBIGUOUS, says, notes=tuple(determined_sums(A, case.right, lost)))


def _dropped(case: Case) -> Finding | None:
    A = case.accumulated
    gone = (case.right > 0) & (np.abs(A.weights) <= A.blur(0 * A.weights))
    kept = proportions(case, gone) if gone.any() else None
    if kept is None:
        return None
    text, rest, factor, blur = kept
    factor = 1.0 if abs(factor - 1) <= blur else factor
    says = f"A lacks {places(np.flatnonzero(gone))}; the others keep their proportions{text}"
    if factor == 1 and not text:
        says += ", not renormalised"
    elif abs(factor * rest.sum() - 1) <= blur * rest.sum():
        says += ", renormalised to one"
    else:
        says += f", times {digits(factor)}"
    names = factor_names(case, factor, blur) if factor != 1 else []
    if np.flatnonzero(~gone).tolist() == [len(gone) - 1]:
        names.insert(0, "only the last part is left: gradients zeroed before each backward pass?")
    return Finding(Verdict.DROPPED, says + ".", factor, notes=tuple(names))


def _reweighted(case: Case) -> Finding:
    says = "A is a weighted sum of the parts, but not by the right weights."
    return Finding(Verdict.REWEIGHTED, says, notes=tuple(patterns(case)))


ORDER: tuple[Callable[[Case], Finding | None], ...] = (
    _all_zero,
    _irreproducible,
    against_full,
    _crowded,
    _exact,
    _outside,
    _nothing_left,
    _up_to_a_factor,
    _blurred,
    _dropped,
    _reweighted,
)
