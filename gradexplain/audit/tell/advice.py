"""For each verdict: what to do, and which causes to look for, each with how to recognize it."""

from collections.abc import Iterable

from gradexplain.audit.judge.case import Verdict

TO_DO = {
    Verdict.EXACT: "Nothing. Other steps, such as the last of an epoch, may differ.",
    Verdict.RESCALED: "Divide once, in one place; or pass expect_factor if the factor is meant.",
    Verdict.MEAN_OF_MEANS: "Add up summed losses, and divide them by the count of the whole batch.",
    Verdict.MEAN_OF_GROUP_MEANS: "Add up the counts over all groups, and divide by that total. "
    "Where the groups' gradients are averaged, multiply by the number of groups.",
    Verdict.DROPPED: "Zero the gradients once a step, before its first part; use every part.",
    Verdict.REWEIGHTED: "Compare the loop's weight of each part with the expected one.",
    Verdict.WORKERS_DISAGREE: "Let the last micro-batch's forward and backward both synchronize.",
    Verdict.UNEVEN: "Compare how the gradients listed above are added up and reduced.",
    Verdict.EXTRA_TERM: "Read A before the optimizer adds to it; zero the gradients between steps.",
    Verdict.COUNTS_DIFFER: "Pass the counts that the loss divides by: unmasked targets.",
    Verdict.NOT_A_MEAN: "Don't split this loss, or compute what couples examples once per batch.",
    Verdict.UNEXPLAINED: "Record A and parts at the same parameters, before clipping and decay.",
    Verdict.PARTS_ARE_SUMS: 'Pass reduction="sum" if the parts are gradients of sums.',
    Verdict.NOT_REPRODUCIBLE: "Fix the seeds or turn off dropout, then record A and parts again.",
    Verdict.AMBIGUOUS: "Audit a batch of parts with unequal counts and different contents.",
}

#: What to do instead, where a finding rests on one of these.
TO_DO_FOR = {
    "scaled before": "Tap each loss where it is computed, before anything divides it; the terms of "
    "a sum one by one, each with its own term=.",
    "scaled by": "Tap each loss before anything scales it. A factor that is meant is its weight: "
    "step.tap(loss, targets=..., weight=...).",
    "one divisor": "Tap each sum before it is divided: step.tap(loss, targets=..., "
    'reduction="sum").',
    "divided twice?": "Divide once, in one place. If it is meant, declare the terms' weights: "
    "step.tap(loss, targets=..., term=..., weight=...).",
    "only tapped": "Give that term its weight, step.tap(loss, targets=..., term=..., weight=...), "
    "and tap the others.",
    "count belied": "Pass what the loss divides by: labels after the shift, sums of class weights.",
    "same loss": "Say which of the two they are, with the option named above.",
    "doubtful several": "Tap each of them: loss = step.tap(loss, targets=..., term=...).",
    "doubtful passes": "Tap each of them: loss = step.tap(loss, targets=..., term=...).",
    "doubtful squares": "Use mse_loss, or tap the loss: loss = step.tap(loss, targets=...).",
    "doubtful targets": "Tap the loss, with its count: loss = step.tap(loss, targets=...).",
    "doubtful inside": "Tap the weighted mean: loss = step.tap(loss, targets=weights.sum()).",
    "all zero": "Audit a step whose gradients are not zero.",
    "too few numbers": "Audit with fewer parts than parameters, or with more parameters.",
    "arithmetic": "Say which arithmetic was used, with the option named above.",
    "full and arithmetic": "Say which arithmetic was used, with the option named above.",
    "no targets": "Watch a step whose micro-batches have targets.",
    "untapped pass": "Tap every loss of the step: loss = step.tap(loss, targets=...).",
    "untapped path": "Nothing for the tapped terms; tap the other one to have it judged.",
    "nothing to average": "Divide summed losses by the step's count of targets.",
    "clipped scaled": "Undo the scale before you clip: scaler.unscale_(optimizer).",
    "clipped scaled, bound too": "Undo the scale before you clip: scaler.unscale_(optimizer).",
    "cut": "Clip by norm, which keeps the direction.",
    "left over": "Zero the gradients once a step, before its first backward pass.",
    "way lost": "Look for what writes to .grad between the backward passes and the step.",
}

#: What to do and to look for instead, where the weights were read at the losses.
TAPPED_TO_DO = {
    Verdict.RESCALED: "Divide once, in one place; or pass expect=[...] if these weights are meant.",
    Verdict.WORKERS_DISAGREE: TO_DO[Verdict.WORKERS_DISAGREE],
    Verdict.UNEVEN: "Compare how the gradients listed above are zeroed, scaled and reduced.",
}

_SHORTER = "Is it a shorter last step, divided by the usual K? Then the factor is parts / K."
_TWO_LOSSES = "Do two losses add up, such as real and fake? Then tap each with a `term` of its own."
#: Causes of a factor above 1.
_ABOVE = (
    "Is the loss scaled for half precision? Then the factor is a power of two: unscale first.",
    "Do workers add up where they should average? Then the factor is their number.",
)
#: Causes of a factor below 1.
_BELOW = ("Is the whole gradient clipped? Then the factor changes every step.", _SHORTER)
_TAPPED_BELOW = (
    "Do you clip with code of your own? Then pass clipped=True.",
    _SHORTER,
    "Is a micro-batch skipped after its targets were counted? Count those that are used.",
    "Are labels counted before they are shifted? Then the factor is a little below 1.",
)
#: Where several workers' weights are all zero.
UNREDUCED = "Did no backward pass reduce over the workers? FSDP's optimizer then gets no gradient."

TAPPED_QUESTIONS: dict[Verdict, tuple[str, ...]] = {
    Verdict.RESCALED: (
        *_TAPPED_BELOW,
        "Is the loss a sum over its targets? Then tap it with reduction='sum'.",
        _TWO_LOSSES,
        *_ABOVE,
    ),
    Verdict.DROPPED: (
        "Are gradients zeroed after every backward pass? Then only the last part is left.",
        "Is the last, short part of an epoch thrown away? Then only its weight is zero.",
        "Does a NaN or overflow check skip parts? Then the dropped parts vary.",
    ),
    Verdict.REWEIGHTED: (
        "Is .grad clipped after each backward? That clips the sum so far: clip once, at the end.",
        "Does the loss have class weights? Then the counts are sums of weights.",
        "Are labels counted before they are shifted, or padding counted as targets?",
    ),
    Verdict.UNEXPLAINED: (),
    Verdict.EXTRA_TERM: (),
}

QUESTIONS: dict[Verdict, tuple[str, ...]] = {
    Verdict.EXACT: (),
    Verdict.RESCALED: (*_ABOVE, *_BELOW),
    Verdict.MEAN_OF_MEANS: (
        "Is the loss a mean, divided by the number of parts? Then the weights are all 1/K.",
        "Does an all-reduce average over workers with unequal counts?",
        "Is every part meant to count the same? Then pass expect='part'.",
        "Is there a factor, too? Then look for a division that is missing, or done twice.",
    ),
    Verdict.MEAN_OF_GROUP_MEANS: (
        "Does each worker divide by its own count before the all-reduce averages?",
        "Is a mean taken per sequence, or per device, before the mean of all?",
    ),
    Verdict.DROPPED: (
        "Are gradients zeroed after every backward pass? Then only the last part is left.",
        "Are the parts running totals? Zero the gradients before each part's own pass.",
        "Is the last, short part of an epoch thrown away? Then only its weight is zero.",
        "Does a NaN or overflow check skip parts? Then the dropped parts vary.",
    ),
    Verdict.REWEIGHTED: (
        "Is there another count the loss could divide by? Pass it: also={'sequences': [...]}.",
        "Does the loss have class weights? Then the counts are sums of weights.",
        "Are labels counted before they are shifted, or padding counted as targets?",
    ),
    Verdict.WORKERS_DISAGREE: (
        "Does no_sync cover the backward but not the forward of a micro-batch, or the wrong one?",
        "Does one worker skip a parameter, or clip by its own norm?",
    ),
    Verdict.UNEVEN: (
        "Are some parameters split over workers? Then their factor is the number of workers.",
        "Are some parameters frozen, or clipped separately?",
        "Are some gradients zeroed, or reduced, at another time than the rest?",
    ),
    Verdict.EXTRA_TERM: (
        "Is the column the parameters? Then its coefficient is the weight decay.",
        "Is it the gradient of the step before? At 1, it was not zeroed; below, it is momentum.",
    ),
    Verdict.COUNTS_DIFFER: (
        "Are masked or padded targets counted? Count those that the loss counts.",
        "Is the loss a function of a mean, like RMSE? Then no counts are right.",
        "Does the loss have class weights? Then the counts are sums of weights.",
    ),
    Verdict.NOT_A_MEAN: (
        "Do examples see each other (BatchNorm, contrastive losses)? Then the loss can't be split.",
        "Is there dropout? The whole batch draws other masks: omit `full`, or turn dropout off.",
        "Was F computed at other parameters, before or after an update?",
    ),
    Verdict.UNEXPLAINED: (
        "Is there weight decay? Pass the parameters: extra={'theta': parameters}.",
        "Momentum, or gradients not zeroed? Pass the step before: extra={'previous': gradient}.",
        "Is there dropout or noise? Compute a part twice and pass it as `again`.",
        "Are gradients clipped by value, or compressed? Read A before that.",
        "Is A a difference of parameters? Pass Update(before, after, learning_rate).",
    ),
    Verdict.PARTS_ARE_SUMS: (),
    Verdict.NOT_REPRODUCIBLE: (
        "Is there dropout? The same seed before each backward pass gives the same masks.",
        "Is the hardware not deterministic? Then pass the arithmetic it uses, such as 'tfloat32'.",
    ),
    Verdict.AMBIGUOUS: (),
}


def fitting(questions: tuple[str, ...], factors: Iterable[float]) -> tuple[str, ...]:
    """Leave out causes of a factor above 1 if all are below it, and the other way around."""
    sizes = [abs(factor) for factor in factors]
    below, above = any(size < 1 for size in sizes), any(size > 1 for size in sizes)
    unfit: tuple[str, ...] = ()
    if below and not above:
        unfit = (*_ABOVE, _TWO_LOSSES)
    elif above and not below:
        unfit = (*_BELOW, *_TAPPED_BELOW)
    return tuple(one for one in questions if one not in unfit)


#: What to do, and to look for, where reported losses were audited.
LOSS_TO_DO = {
    Verdict.EXACT: "Nothing.",
    Verdict.RESCALED: "Divide the summed losses once, by the count of all targets.",
    Verdict.MEAN_OF_MEANS: "Add up summed losses and counts over all parts, then divide.",
    Verdict.MEAN_OF_GROUP_MEANS: "Add up summed losses and counts over all groups, then divide.",
    Verdict.DROPPED: "Report all parts: keep the last, short one, and don't overwrite the others.",
    Verdict.REWEIGHTED: "Pass the counts that the losses divide by: unmasked targets.",
    Verdict.NOT_A_MEAN: "Average the losses over all targets first, and take exp of that.",
    Verdict.UNEXPLAINED: "Pass each part's own mean loss, and what is reported for these parts.",
    Verdict.AMBIGUOUS: "Pass more digits, and several parts whose losses and counts differ.",
}

LOSS_QUESTIONS: dict[Verdict, tuple[str, ...]] = {
    Verdict.MEAN_OF_MEANS: (
        "Does a logger average what each step logs? Give it the count, as batch_size or weight.",
        "Is every part meant to count the same? Then pass expect='part'.",
    ),
    Verdict.MEAN_OF_GROUP_MEANS: (
        "Are means gathered from workers and averaged? Gather sums and counts.",
    ),
    Verdict.DROPPED: ("Does the loader drop the last batch? Then its targets are not evaluated.",),
    Verdict.REWEIGHTED: (
        "Is padding counted, or are labels counted before they are shifted?",
        "Is it an exponential moving average, such as a smoothed loss?",
    ),
}
