"""The decision: which simple story the weights tell, and no more than they tell.

`ORDER` lists the steps; the first with something to say decides. A step says nothing that a later
one could contradict. "Fits" (weights.py) is loose or sharp: loosely, what is left over lies within
the tolerances; sharply, each weight that could be read is also right by itself, within its own
uncertainty. To name a weighting takes a sharp fit.
"""

import numpy as np

from gradexplain.audit.judge.case import Case, Evidence, Finding, Full, Note, Verdict, note
from gradexplain.audit.judge.factors import factor_names
from gradexplain.audit.judge.inside import IN_THE_SPAN, Step, but_unread
from gradexplain.audit.judge.outside import extra_term, is_off, strays, unexplained
from gradexplain.audit.judge.weightings import left_out, named_weightings
from gradexplain.audit.judge.weights import Vector, Weights

_SMALL = 1e-5  # the factor of a term that, without a weight to be held to, would not be missed
_HALF = 0.5  # with more than this share lost in rounding, nothing is said to be right
_TEN = 10  # a mistake is named if its effect is so many times what lies outside the span


def decide(case: Case) -> Finding:
    """Return the first finding, in `ORDER`."""
    return next(found for step in ORDER if (found := step(case)) is not None)


def _no_targets(case: Case) -> Finding | None:
    """Without any target there is nothing to weigh."""
    return None if len(case.expected) else Finding(Verdict.AMBIGUOUS, note("no targets"))


def _all_zero(case: Case) -> Finding | None:
    """Every part is zero, so no weight can be read."""
    if np.any(np.diag(case.weights.metric) > 0):
        return None
    return unexplained(case) if case.beyond else Finding(Verdict.AMBIGUOUS, note("all zero"))


def _not_reproducible(case: Case) -> Finding | None:
    """The first part, computed again, differs: nothing can be compared."""
    if case.evidence is None or case.evidence.repeat == 0:
        return None
    return Finding(Verdict.NOT_REPRODUCIBLE, note("repeat", share=case.evidence.repeat))


def _workers_disagree(case: Case) -> Finding | None:
    """The workers' optimizers are handed different gradients."""
    if case.evidence is None or not case.evidence.disagree:
        return None
    return Finding(Verdict.WORKERS_DISAGREE, note("workers disagree"))


def _against_full(case: Case) -> Finding | None:
    """The full gradient F is not a mean of the parts, or one with unexpected weights."""
    full = case.evidence.full if case.evidence else None
    if full is None:
        return None
    as_expected = full.weights.fits(_scaled(case, full.weights), sharply=False)
    if full.outside > full.outer:
        return _full_outside(case, full, as_expected=as_expected)
    enough = case.evidence is None or case.evidence.enough
    if case.counts is None or as_expected or not enough:
        return None
    return _counts_differ(case, case.counts, full)


def _scaled(case: Case, read: Weights) -> Vector:
    """Return the expected weights, where a term has no weight of its own with the factor read."""
    expected = case.expected.copy()
    for name in case.parts.unweighted:
        rows = case.parts.of(name)
        factor, uncertainty = read.only(rows).factor(expected[rows])
        expected[rows] *= factor if np.isfinite(uncertainty) else 1.0
    return expected


def _too_few_numbers(case: Case) -> Finding | None:
    """With fewer than ten numbers to spare beyond the parts' rank, any A could be matched."""
    evidence = case.evidence
    if evidence is None or evidence.enough:
        return None
    fitting = case.weights.fits(case.expected, sharply=False)
    return Finding(
        Verdict.AMBIGUOUS,
        note("too few numbers", rank=evidence.rank, spread=evidence.spread),
        notes=(note("consistent"),) if fitting else (),
    )


def _by_term(case: Case) -> Finding | None:
    """Each term of the loss by itself; the whole is right if all of them are.

    Only beside all terms together can extra columns explain what lies outside.
    """
    names = list(dict.fromkeys(case.parts.terms))
    if len(names) < 2:
        return None
    if _is_beyond(case) and (explained := extra_term(case)):
        return explained
    found = {name: _of_term(case, name) for name in names}
    wrong = [n for n in names if found[n].ok is False] or [n for n in names if not found[n].ok]
    right = tuple(n for n in names if found[n].ok)
    claim = note(
        "terms", wrong=tuple((n, found[n].verdict, found[n].factor) for n in wrong), right=right
    )
    verdict = found[wrong[0]].verdict if wrong else Verdict.EXACT
    factor = found[wrong[0]].factor if wrong else 1.0
    return Finding(verdict, claim, factor, terms=tuple(found.items()))


def _of_term(case: Case, name: str) -> Finding:
    """Decide one term; where it has no weight to be held to, any common factor passes.

    So does one too small to be read: that nothing is there can be said only in fine arithmetic.
    """
    term = case.only(name)
    found = decide(term)
    if name not in case.parts.unweighted:
        return found
    if found.verdict is Verdict.RESCALED:
        return Finding(Verdict.EXACT, note("proportions only", factor=found.factor))
    unsure = term.weights.uncertainty(np.zeros_like(term.expected))
    if found.verdict is Verdict.DROPPED and found.factor == 0 and unsure.max() > _SMALL:
        return Finding(Verdict.AMBIGUOUS, note("missing or small"))
    return found


def _exact(case: Case) -> Finding | None:
    """A is the expected mean, as a whole and in each parameter.

    If a known mistake would have looked the same on this batch, nothing is said to be right. With
    equal counts a mean of means is no mistake; a note says that it could not have been seen.
    """
    read = case.weights
    if case.beyond or not read.fits(case.expected) or strays(case):
        return None
    alike = [
        note("also", weighting=name) for _, name, w in named_weightings(case)[1:] if read.fits(w)
    ]
    alike += [note("also without", parts=parts) for parts in left_out(case)]
    if len(case.expected) == 1 and not _settled(case):
        alike = [note("also any mean")]
    if read.cancels(case.expected):
        alike.append(note("also any factor"))
    blurred = read.unread(case.expected) & np.isfinite(read.absolute)
    if np.abs(case.expected[blurred]).sum() > _HALF * np.abs(case.expected).sum():
        alike += but_unread(case)
    if alike:
        return Finding(Verdict.AMBIGUOUS, note("exact or other"), notes=tuple(alike))
    even = np.full_like(case.expected, 1 / len(case.expected))
    equal = case.parts.intended in {"target", "full"} and case.same(
        case.expected / case.expected.sum(), even
    )
    claim = note("exact", intended=case.parts.intended)
    notes = (*((note("equal counts"),) if equal else ()), *but_unread(case))
    return Finding(Verdict.EXACT, claim, notes=notes)


def _sums(case: Case) -> Finding | None:
    """Each part weighs 1/n: right if the parts are gradients of sums, wrong if of means."""
    if (
        case.counts is None
        or not case.parts.means
        or case.parts.intended != "target"
        or case.beyond
    ):
        return None
    n = float(case.counts.sum())
    if not case.weights.fits(np.full_like(case.counts, 1 / n)):
        return None
    return Finding(Verdict.PARTS_ARE_SUMS, note("sums", n=n))


def _outside(case: Case) -> Finding | None:
    """A contains more than the parts, as a whole or in one parameter.

    Named first: parameters that fit each by itself, extra columns that explain it, parts that are
    small. The rest may still be a mistake, beside a remainder.
    """
    evidence = case.evidence
    if evidence is None or not _is_beyond(case):
        return None
    explained = _uneven(case) or extra_term(case)
    if explained is not None:
        return explained
    if evidence.hidden_fit:
        hidden = tuple(np.flatnonzero(evidence.hidden).tolist())
        return Finding(Verdict.AMBIGUOUS, note("hidden", parts=hidden))
    return _with_a_remainder(case, evidence)


def _is_beyond(case: Case) -> bool:
    """Tell whether A contains more than the parts, as a whole or in one parameter."""
    return case.beyond or (case.weights.fits(case.expected) and bool(strays(case)))


def _with_a_remainder(case: Case, evidence: Evidence) -> Finding:
    """Name a mistake with ten times the effect of what lies outside; otherwise ask what it is.

    So much must be inside, too: an Adam's tiny step is no multiple of the mean. What is left may be
    an arithmetic that was not declared, before it is anything else.
    """
    inside = next(found for step in IN_THE_SPAN if (found := step(case)) is not None)
    weights = case.weights
    named = min(weights.size(weights.values - case.expected), weights.size(weights.values))
    if inside.ok is False and named >= _TEN * evidence.outside:
        return inside.with_notes(
            note("remainder", share=evidence.share),
            *(
                (note("remainder arithmetic", types=evidence.plausible),)
                if evidence.plausible
                else ()
            ),
        )
    if evidence.plausible:
        claim = note("arithmetic", share=evidence.share, types=evidence.plausible)
        right = (note("right inside"),) if case.weights.fits(case.expected) else ()
        return Finding(Verdict.AMBIGUOUS, claim, notes=right)
    return unexplained(case)


def _settled(case: Case) -> bool:
    """Tell whether the one part's mean is no guess: read directly, by proportions, or held to F."""
    full = case.evidence.full if case.evidence else None
    held = full is not None and full.meets
    return held or case.evidence is None or bool(case.parts.unweighted)


def _uneven(case: Case) -> Finding | None:
    """Decide each parameter by itself; one too small to be read follows the others."""
    off, readings = strays(case), {}
    for name, part in case.parameters():
        found = decide(part.without_full())
        unclear = found.verdict is Verdict.AMBIGUOUS and name in off
        foreign = found.verdict in {Verdict.UNEXPLAINED, Verdict.EXTRA_TERM}
        outside = part.evidence.outside if part.evidence else 0.0
        if unclear or (foreign and is_off(part, outside)):
            return None
        if found.verdict is not Verdict.AMBIGUOUS and not foreign:
            readings[name] = found
    if len({(found.verdict, f"{found.factor:.4g}") for found in readings.values()}) < 2:
        return None
    return Finding(Verdict.UNEVEN, note("uneven"), parameters=tuple(readings.items()))


def _full_outside(case: Case, full: Full, *, as_expected: bool) -> Finding | None:
    """Compare A with an F outside the span; if no arithmetic explains that, F is not a mean."""
    if full.meets:
        return Finding(Verdict.EXACT, note("is full"), notes=(note("full outside"),))
    if full.multiple is not None:
        names = factor_names(case, *full.multiple)
        claim = note("multiple of full", factor=full.multiple[0])
        found = Finding(Verdict.RESCALED, claim, full.multiple[0], tuple(names))
    elif not full.plausible:
        found = Finding(Verdict.NOT_A_MEAN, note("not a mean"))
    elif as_expected:
        return None
    else:
        claim = note("full and arithmetic", types=full.plausible)
        found = Finding(Verdict.AMBIGUOUS, claim)
    return found.with_notes(*_by_counts(case))


def _counts_differ(case: Case, counts: Vector, full: Full) -> Finding:
    """Say that F weighs the parts by other weights than their counts."""
    n, given = float(counts.sum()), case.parts.intended != "target"
    if case.parts.means and full.weights.fits(np.full_like(case.expected, 1 / n)):
        found = Finding(Verdict.PARTS_ARE_SUMS, note("full of sums", n=n))
    else:
        values, zero = full.weights.values, full.weights.uncertainty(0 * case.expected)
        weights = tuple(np.where(np.abs(values) <= zero, 0, values).tolist())
        kind = "another mean" if given else "counts differ"
        claim = note(kind, weights=weights)
        right = given and case.weights.fits(case.expected) and not case.beyond
        found = Finding(Verdict.COUNTS_DIFFER, claim, conclusive=not right)
    if full.meets and not given:
        return Finding(
            found.verdict, found.claim, notes=(note("is full, counts wrong"),), conclusive=False
        )
    if full.multiple is not None:
        found = found.with_notes(note("multiple of full too", factor=full.multiple[0]))
    return found.with_notes(*_by_counts(case))


def _by_counts(case: Case) -> tuple[Note, ...]:
    """Compare A with the weights that the counts give, in addition to what F says."""
    if case.counts is None:
        return ()
    found = decide(case.without_full())
    return (note("by counts", claim=found.claim),)


ORDER: tuple[Step, ...] = (
    _no_targets,
    _all_zero,
    _not_reproducible,
    _workers_disagree,
    _against_full,
    _too_few_numbers,
    _by_term,
    _exact,
    _sums,
    _outside,
    *IN_THE_SPAN,
)
