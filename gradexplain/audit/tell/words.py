"""The words for everything a finding can hold: titles, and one sentence per kind of note."""

from gradexplain.audit.judge.case import Verdict

TITLES = {
    Verdict.EXACT: "exact",
    Verdict.RESCALED: "rescaled",
    Verdict.MEAN_OF_MEANS: "mean of means",
    Verdict.MEAN_OF_GROUP_MEANS: "mean of means across groups",
    Verdict.DROPPED: "dropped",
    Verdict.REWEIGHTED: "reweighted",
    Verdict.WORKERS_DISAGREE: "workers disagree",
    Verdict.UNEVEN: "uneven across parameters",
    Verdict.EXTRA_TERM: "an extra term",
    Verdict.COUNTS_DIFFER: "counts are not the loss's",
    Verdict.NOT_A_MEAN: "not a mean",
    Verdict.UNEXPLAINED: "unexplained",
    Verdict.PARTS_ARE_SUMS: "are the parts sums?",
    Verdict.NOT_REPRODUCIBLE: "not reproducible",
    Verdict.AMBIGUOUS: "ambiguous",
}

#: What each kind of weighting does, as a verb phrase whose subject is A.
WEIGHTINGS = {
    "expected": "is the mean gradient",
    "alike": "weighs every part alike",
    "groups alike": "weighs every group alike",
    "groups and their parts alike": "weighs every group alike, and the parts in a group alike",
    "groups rightly, their parts alike": "weighs the groups correctly, but their parts alike",
    "other": "weighs the parts in another way",
}

#: Which mean of losses a reported one is.
REPORTED = {
    "expected": "the mean over all targets",
    "alike": "the mean of the parts' means",
    "groups alike": "the mean of the groups' means",
    "groups and their parts alike": "the mean of the groups' means of means",
    "groups rightly, their parts alike": "a mean of means inside each group",
    "last": "the last part's loss alone",
    "but the last": "the mean over all targets but the last part's",
    "alike but the last": "the mean of the parts' means but the last",
}

INTENDED = {
    "target": "every target alike (count / total)",
    "part": "every part alike, as you asked",
    "given": "the weights you gave",
    "full": "the weights of the full gradient",
}

FACTORS = {
    "K": "summed over the parts, never divided; or parts already divided by K",
    "1/K": "divided by the number of parts once too often",
    "W": "summed over the groups, never divided",
    "1/W": "divided by the number of groups once too often",
    "n": "summed over the targets, never divided",
    "1/n": "divided by the total count once too often",
    "n/K": "multiplied by the mean count",
    "K/n": "divided by the mean count",
    "K·W": "summed over parts and groups, never divided",
    "1/(K·W)": "divided by parts and by groups, both once too often",
    "K/W": "the parts per group: summed inside each group, never divided",
    "W/K": "one over the parts per group: divided by them once too often",
    "n/W": "the count per group, multiplied in or never divided",
    "W/n": "divided by the count per group once too often",
}

_SETTLE = (
    "If one of these was used, pass arithmetic={quoted}. If A is a difference of parameters, pass "
    'Update(before, after, learning_rate). If neither, pass arithmetic="float32".'
)

UNTAPPED = "A term of the objective reaches "  # how the note on it begins

EQUAL_COUNTS = "The counts are equal, so a mean of means would look the same."

SENTENCES: dict[str, str] = {
    # what a finding rests on
    "all zero": "Every part is zero, so no weight can be read.",
    "repeat": "The first part, computed again, differs by {share} of its length. Randomness in it "
    "hides what the weights are.",
    "workers disagree": "The workers end with different gradients, so their models drift apart.",
    "not a mean": "The full gradient is not a weighted sum of the parts, so no weights make A "
    "right.",
    "counts differ": "The full gradient weighs the parts differently from their counts: {weights}.",
    "another mean": "The full gradient is another mean than the one you expect: it weighs the "
    "parts by {weights}.",
    "full of sums": "The full gradient weighs every part by 1/{n}, so the parts are gradients of "
    'sums, not of means. Pass reduction="sum".',
    "full and arithmetic": "The full gradient is not a weighted sum of the parts in float32, but "
    "it may be one in {types}. " + _SETTLE,
    "is full": "A is the full gradient.",
    "multiple of full": "A is {factor} times the full gradient.",
    "too few numbers": "The parts span {rank} directions, and hold {spread} numbers that are not "
    "zero. With fewer than 10 numbers to spare, almost any gradient is a weighted sum of the "
    "parts.",
    "exact or other": "A is the mean gradient, but on this batch a mistake would look the same.",
    "sums": "Every part weighs 1/n = 1/{n}. If the parts are gradients of sums, A is right: pass "
    'reduction="sum". If they are gradients of means, A is their sum over n.',
    "unexplained": "A is not a weighted sum of the parts: something else was added, or these are "
    "not the parts that were accumulated. The weights below come closest.",
    "hidden": "A may contain {parts}, but next to the other parts they are too small to tell.",
    "arithmetic": "{share} of A is not a weighted sum of the parts, which is no more than rounding "
    "in {types} leaves. " + _SETTLE,
    "nothing": "A contains none of these parts: all of them were dropped.",
    "short": "A is too small next to the parts for its weights to be read.",
    "lacking": "A may lack {parts}: rounding hides whether it does.",
    "near": "A is near the mean gradient, but rounding hides which weights it has.",
    "several": "Several weightings fit A.",
    "uncertain": "The weights of {parts} cannot be determined: the parts are nearly parallel, too "
    "small, or too many.",
    "reweighted": "A is a weighted sum of the parts, but not by the expected weights.",
    "uneven": "Each parameter is a weighted sum of the parts, but not all by the same weights.",
    "extra by parameter": "Each parameter is the mean of the parts plus its own multiple of the "
    "extra columns.",
    # what else was found
    "consistent": "A is consistent with the expected weights, as far as these data can show.",
    "full outside": "F is not a weighted sum of the parts, so A was not accumulated from them.",
    "is full, counts wrong": "A is the full gradient: only the counts passed in are wrong.",
    "multiple of full too": "A is {factor} times the full gradient.",
    "also any mean": "With only one part, all means are the same.",
    "also any factor": "The mean is zero, so it is the mean times any factor.",
    "equal counts": EQUAL_COUNTS.removesuffix(".") + ": use unequal ones.",
    "sum": "Together, {parts} weigh {ratio} times what they should.",
    "but unread": "The weights of {parts} cannot be determined; the others fit this.",
    "only the last": "Only the last part is left: are gradients zeroed before each backward pass?",
    "sign": "The factor is negative: a sign was flipped.",
    "loss scale": "2^{power}: a loss scale that was not divided out.",
    "loss scale undone": "2^−{power}: a loss scale that was divided out twice, or never applied.",
    "another order": "These are the expected weights in another order: the counts belong to other "
    "parts.",
    "counted twice over": "They are in proportion to the squares of the counts: each part is "
    "multiplied by its count twice.",
    "one target more": "They are in proportion to one target more per part: are labels counted "
    "before they are shifted?",
    "one target less": "They are in proportion to one target less per part: are labels counted "
    "after they are shifted?",
    "divided twice": "They are in proportion to one over the counts: each part is divided by its "
    "count twice.",
    "in proportion": "They are in proportion to {to}.",
    "geometric": "They follow the order of the parts: each weighs {step} times the one before it.",
    "harmonic": "They follow the order of the parts, as 1, 1/2, 1/3, …: is the loss divided by "
    "the index of the micro-batch?",
    "clipped parts": "Each part is clipped by itself: long gradients weigh as little as {ratio} "
    "times what they should.",
    "running total clipped": "The running total is clipped after each part: the first parts weigh "
    "as little as {ratio} times what they should.",
    "integers": "They are in the ratio {ratio}. What do these numbers count?",
    "negative": "Negative weights: {parts}.",
    "remainder": "In addition, {share} of A is not a weighted sum of the parts.",
    "remainder arithmetic": "Rounding in {types} would leave as much.",
    "right inside": "The share of A that the parts explain has the expected weights.",
    "sketched outside": "On sketches these weights are only estimates: audit the full gradients.",
    "parameters off": "{off} of {of} parameters are off: {names}.",
    "missing or small": "The term is missing, or its factor is too small to be read.",
    "proportions only": "The proportions are exact. The factor, {factor}, is not judged, because "
    "the term was given no weight.",
    # what taps see
    "uneven inside": "Inside {parts}, the targets' weights differ, by up to {share}: a mean was "
    "taken inside the micro-batch, or a factor differs between its targets.",
    "doubtful several": "A backward pass holds several losses of one kind. Without a tap, parts of "
    "one mean look the same as terms of their own.",
    "doubtful passes": "The backward passes differ in more than their batch: in the lines that "
    "they come from, in the range of their targets, or in the parameters they train; or two have "
    "the same targets; or the model may have made targets itself. Without a tap, parts of one mean "
    "look the same as terms of their own.",
    "doubtful squares": "A mean of squares that is written by hand does not show its targets. "
    "Without a tap, parts of one mean look the same as terms of their own.",
    "doubtful targets": "Without a tap, the loss does not show how many targets it is over: it is "
    "a sum, or it is masked or weighted before it is computed.",
    "doubtful inside": "Inside the micro-batches, the targets' weights differ or are all zero. "
    "Without a tap, weights of your own look the same as a mistake.",
    "scaled before": "Every loss reads {read}, and was multiplied or divided before it was tapped, "
    "so what the loop does to it was not seen.",
    "scaled by": "The loss of {parts} was multiplied by {factor} before it was tapped.",
    "one divisor": "Each loss is a sum that was divided by {divisor} before it was tapped. If that "
    "is the step's count of targets, nothing else may divide it.",
    "before the tap": "The losses were tapped after they were scaled or summed; each is judged as "
    "the mean loss of its targets.",
    "count belied": "The loss of {parts} itself averages over {saved} targets, but it was tapped "
    "with targets={given}.",
    "same loss": "{losses} tapped losses have the same value, over as many targets. Each may be "
    "the whole batch's, in a pass through one part of it: then tap it with weight={weight}. Or "
    "each is a micro-batch's own mean: then watch(..., expect='part').",
    "by number": "A sum of losses with class weights may be meant to be divided by the number of "
    "targets, or by the sum of their weights. Here the number of targets fits, so the step was "
    "judged by it.",
    "beside the mask": "In {parts}, targets that don't count carry a weight.",
    "no targets": "No micro-batch has a target, so there is no mean to judge.",
    "nothing to average": "Micro-batch {batch} has no targets, and its mean is 0/0. Divide its "
    "sum by the step's count instead.",
    "loss not finite": "The loss of micro-batch {batch} is not finite.",
    "gradient not finite": "The optimizer got a gradient that is not finite.",
    "cut": "Gradients were clipped by value, which changes the direction of their sum: {more} "
    "parameters, first {names}.",
    "left over": "The gradients still held those of the step before, × {factor}: zero them once a "
    "step, before the first backward pass.",
    "way lost": "{share} of the gradient that the optimizer got differs from what the backward "
    "passes added.",
    "untapped pass": "Backward pass {one} changed what the optimizer got, through {name}, but no "
    "loss in it was tapped, so its weight was not read.",
    "not read": "It was not read: {reason}.",
    "untapped path": UNTAPPED + "{name} without passing a tap, so its "
    "weight was not read. Tap it as its own term.",
    "divided twice?": "{term} counts {times} a mean, and there are {there}: {asked}?",
    "only tapped": "{term} counts {factor} times a mean, and other terms of the objective bypass "
    "the tap: is the factor meant?",
    "workers differ in": "Parameters whose gradients differ: {differ}, first {first}.",
    "uneven way": "The gradients of some parameters reached the optimizer with different factors.",
    "clipped": "The gradient was clipped, × {factor}; the averaging is judged without the clip.",
    "clipped by groups": "The gradients were clipped by groups, by as much as × {factor}; the "
    "averaging is judged without the clips.",
    "clipped scaled": "The gradient was clipped while still scaled by {scale}: the bound held for "
    "{scale} times the gradient.",
    "clipped scaled, bound too": "The gradient was clipped while still scaled by {scale}: is the "
    "bound, {bound}, meant for {scale} times the gradient?",
    "clipped early": "Each worker clipped its own gradient before they were averaged, by as much "
    "as × {factor}: by different factors, so their parts no longer weigh alike.",
    "never back": "No gradient came back to {parts}: no backward pass reached them.",
    "empty": "Micro-batches without targets, left out: {batches}.",
    "rounding hides": "Rounding in the gradients' own type would hide a factor of one backward "
    "pass that is off by {share}.",
    "only returned": "Tapped losses that were left out, because their gradients were added to "
    "nothing, as when a pipeline tries out its shapes: {losses}.",
    "coarse way": "Up to {share} of a gradient changed before the optimizer got it: about as "
    "much as sending the gradient in half precision would change.",
    "coupled": "{name} normalizes a micro-batch by its own statistics, which no tap sees: compare "
    "with the whole batch's gradient, audit_accumulation(..., full=...).",
    # what reported losses are
    "one loss": "With only one part, all means are the same.",
    "too close": "A mistake would look the same: it would change the reported value by {apart}, "
    "and the numbers are only known to ± {tolerance}.",
    "nearly reported": "The reported value is nearly the expected mean, but farther from it than "
    "the digits explain, ± {tolerance}.",
    "reported inside": "The reported value lies among the losses, but is none of the means that "
    "loops are known to report.",
    "reported outside": "The reported value lies outside the losses, so it is not a mean of them.",
    # what was done with the input
    "left out": "Not finite, but with a count of 0, so left out: {parts}.",
    "expected factor": "A was divided by the factor it is meant to have, {factor}.",
    "shards": "Each of {workers} workers holds a shard of the gradient; the shards were put "
    "together.",
    "replicas": "Every {ranks} ranks hold one model together, as you said. All {losses} have the "
    "same losses, which count once.",
    "stages": "Every {ranks} ranks hold one model together, as you said. Losses come "
    "from {losses} of them, and count once.",
    "same data": "The losses of workers {one} and {other} are equal to the last digit. If these "
    "ranks hold one model together, count their targets once: watch(..., replicas=...). If not, "
    "they train on the same micro-batches.",
    "workers agree": "All {workers} workers end with the same gradient.",
}
