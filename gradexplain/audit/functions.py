"""The audit of functions: what a step computes, against what its micro-batches' means give."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, SupportsFloat

import numpy as np

from gradexplain.audit.api import audit_accumulation
from gradexplain.audit.given import PerWorker, Update, checked_counts
from gradexplain.audit.judge.case import Verdict
from gradexplain.audit.read.sketches import Sketch
from gradexplain.audit.read.tensors import Tensor
from gradexplain.audit.read.walk import copied
from gradexplain.audit.tell.report import Report

_ADAM = (
    "Is there an Adam in your step? Its update is no sum of gradients: return the gradient that it "
    "gets."
)


def check_accumulation(
    step_gradient: Callable[[Any, list[Any]], object],
    mean_loss_gradient: Callable[[Any, Any], object],
    params: object,
    micro_batches: Iterable[object],
    counts: Iterable[SupportsFloat],
    **options: Any,  # noqa: ANN401 - as `audit_accumulation` has them
) -> Report:
    """Check a function that accumulates gradients against the mean over all targets.

    It does for an accumulation what gradcheck does for a derivative. The functions may use any
    framework, and as many devices as they like. The first micro-batch's gradient is computed twice,
    unless its count is 0, so that dropout is not taken for a mistake.

    Args:
        step_gradient: returns, from `params` and the list of all micro-batches, the gradient that
            your training code would hand to its optimizer: an array, or a dict, list or tuple of
            arrays, nested as you like; or what else `audit_accumulation` takes as `accumulated`.
        mean_loss_gradient: returns, from `params` and one micro-batch, the gradient of that
            micro-batch's own mean loss, in the same form.
        params: the parameters, in the form that both functions take: an array, or dicts, lists and
            tuples of arrays. They must stay as they are.
        micro_batches: K micro-batches, with unequal counts, so that a mean of means shows.
        counts: how many targets each of them holds.
        options: passed on to `audit_accumulation`: `full`, `expect`, `groups`, ….

    Raises:
        TypeError: a function is not callable, or returns no gradient.
        ValueError: a function changes `params`; or what `audit_accumulation` finds wrong.

    >>> import numpy as np
    >>> from gradexplain import check_accumulation
    >>> rng = np.random.default_rng(0)
    >>> batches = [(rng.standard_normal((n, 20)), rng.standard_normal(n)) for n in [30, 10]]
    >>> def mean_gradient(w, batch):  # of half the squared error
    ...     x, y = batch
    ...     return x.T @ (x @ w - y) / len(y)
    >>> def step(w, batches):
    ...     return sum(mean_gradient(w, batch) for batch in batches) / len(batches)
    >>> report = check_accumulation(step, mean_gradient, np.zeros(20), batches, [30, 10])
    >>> report.summary
    'mean of means: A weighs every part alike.'
    """
    _check_callable("step_gradient", step_gradient)
    _check_callable("mean_loss_gradient", mean_loss_gradient)
    batches = _listed(micro_batches)
    own = None if counts is None else checked_counts("counts", counts, len(batches))
    before = copied("params", params)
    found = _copied("step_gradient", step_gradient(params, batches))
    _check_same("step_gradient", before, params)

    def mean(batch: object) -> object:
        return _copied("mean_loss_gradient", mean_loss_gradient(params, batch))

    parts = [mean(batch) for batch in batches]
    if "again" not in options and (own is None or own[0]):  # of no target, the mean may be NaN
        options["again"] = mean(batches[0])
    _check_same("mean_loss_gradient", before, params)
    report = audit_accumulation(found, parts, counts=own, **options)
    if report.verdict is not Verdict.UNEXPLAINED:
        return report
    return replace(report, questions=(_ADAM, *report.questions))


def _check_callable(name: str, function: object) -> None:
    if not callable(function):
        raise TypeError(f"{name} must be a function, not {type(function).__name__}")


def _listed(micro_batches: object) -> list[Any]:
    if isinstance(micro_batches, str | bytes) or not isinstance(micro_batches, Iterable):
        kind = type(micro_batches).__name__
        raise TypeError(f"micro_batches must be a sequence of micro-batches, not of type {kind}")
    batches = list(micro_batches)
    if not batches:
        raise ValueError("micro_batches must hold at least one, but it is empty")
    return batches


def _copied(name: str, gradient: object) -> object:
    """Copy what a function returned: the next call may write to the same buffers."""
    if gradient is None:
        raise TypeError(f"{name} must return a gradient, not None")
    if isinstance(gradient, Sketch):
        return gradient
    if isinstance(gradient, PerWorker):
        return PerWorker([_copied(name, each) for each in gradient.gradients])
    if isinstance(gradient, Update):
        before, after = _copied(name, gradient.before), _copied(name, gradient.after)
        return Update(before, after, gradient.learning_rate)
    return copied(f"what {name} returns", gradient)


def _check_same(name: str, before: object, params: object) -> None:
    """Check that a function left the parameters as they were."""
    if not isinstance(before, dict):
        return  # files and iterators cannot be changed
    now: Any = copied("params", params)
    for key, old in before.items():
        new = now.get(key)
        same = isinstance(new, Tensor) and np.array_equal(old.flat, new.flat, equal_nan=True)
        if not same:
            place = f"params[{key!r}]" if key else "params"
            raise ValueError(
                f"{name} must leave params as they are, but it changed {place}: "
                "compute the gradient without the optimizer's step, or on a copy"
            )
