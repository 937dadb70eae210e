"""Ask each loss of a PyTorch loop how much it counts.

    from gradexplain.integrations.torch import watch

    with watch(model, optimizer) as step:  # one accumulation step
        for batch in micro_batches:
            loss = step.tap(mean_loss(model, batch), targets=n_targets(batch))
            (loss / K).backward()  # your lines, unchanged
        optimizer.step()
    step.report().check()

The gradient that arrives at a micro-batch's mean loss is the weight that the loop gives it. What
each backward pass adds is compared with what the optimizer is handed, so gradients that are lost,
left over, scaled or clipped on the way are seen, too. Nothing is computed again.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gradexplain.audit.judge.case import MAIN, Verdict
from gradexplain.audit.tap.judged import TO_TAP, judged
from gradexplain.audit.tap.seen import Seen
from gradexplain.audit.tell.advice import TO_DO_FOR
from gradexplain.audit.tell.report import Report
from gradexplain.integrations.torch_clips import clips_seen, scales_seen
from gradexplain.integrations.torch_given import (
    Models,
    check_concerned,
    check_reduction,
    check_term,
    counted,
    embeddings,
    expected,
    listed,
    shards_of,
    trained,
)
from gradexplain.integrations.torch_passes import Pass, Passes
from gradexplain.integrations.torch_path import Path
from gradexplain.integrations.torch_readers import Readers
from gradexplain.integrations.torch_saved import saved_by
from gradexplain.integrations.torch_scaled import scaled
from gradexplain.integrations.torch_seen import seen_by
from gradexplain.integrations.torch_taps import Taps, untapped
from gradexplain.integrations.torch_workers import peers_of, rank, together, workers

_AVERAGED_WRONGLY = {
    Verdict.MEAN_OF_MEANS,
    Verdict.MEAN_OF_GROUP_MEANS,
    Verdict.RESCALED,
    Verdict.REWEIGHTED,
}


@contextlib.contextmanager
def watch(
    model: Models,
    optimizer: Any = None,  # noqa: ANN401 - any optimizer
    *,
    expect: str | Iterable[float] = "target",
    path: bool = True,
    clipped: bool = False,
    replicas: Any = 1,  # noqa: ANN401 - a number, or torch's ProcessGroup
) -> "Iterator[Step]":
    """Watch one accumulation step, from its first forward pass to its optimizer's step.

    Under `torch.distributed` each worker runs the same lines. Parameters that `fully_shard` (FSDP2)
    shards are followed, too. Of a step with two passes over the same batch, such as SAM's, tap the
    losses of the pass whose gradients the optimizer gets.

    Args:
        model: the module whose parameters are trained, or several.
        optimizer: the optimizer whose step it is, or several. Without one, the first step of each
            optimizer that holds any of the parameters.
        expect: which mean is intended: "target" (every target alike), "part" (every tapped loss
            alike), or a weight for each tapped loss, in order. These are of the term "loss", or of
            the only one.
        path: whether to follow the gradients to the optimizer, large ones by every eighth row, but
            for embeddings.
            Without it, watching takes half a percent of a step's time instead of two, and what
            happens after a backward pass stays unseen.
        clipped: whether a common factor is a clip of your own. Calls of `clip_grad_norm_` and
            `clip_grad_value_` are seen without it.
        replicas: how many neighboring ranks work on the same micro-batches together, as under
            tensor or pipeline parallelism; or the process group of this rank's. Their targets are
            counted once. Under context parallelism it is 1 where each rank has a loss of its own
            tokens, and the group's size where all compute the loss of all tokens.

    Raises:
        TypeError: the model is not a module, or `replicas` neither a number nor a process group.
        ValueError: it has no parameter to train, its parameters are sharded in a way that can't be
            watched, an optimizer holds none of them or steps a second time inside the window,
            `expect` is unknown, or `replicas` does not divide the number of ranks.
    """
    passes = Passes()
    parameters = trained(model)
    check_concerned(listed(optimizer), parameters)
    peers = peers_of(replicas)
    shards = shards_of(model, parameters, peers)
    way = Path(
        parameters,
        listed(optimizer),
        passes,
        sketching=path,
        shards=shards,
        sparse=embeddings(model, parameters),
    )
    step = Step(model, passes, way, peers, expect=expected(expect), clipped=clipped)
    step.divides = accelerated(optimizer)
    with step.watched(), way.watched(), clips_seen(way.clipped), scales_seen(way.unscaled):
        yield step


class Step:
    """One accumulation step, as `watch` sees it."""

    def __init__(
        self,
        model: Models,
        passes: Passes,
        path: Path,
        peers: tuple[int, ...],
        **judging: Any,  # noqa: ANN401 - as `watch` has them
    ) -> None:
        """Begin with nothing seen; `watch` makes it."""
        self._modules = _modules(model)
        self._passes, self._path, self._judging = passes, path, judging
        self._peers = peers
        self.apart = False  # whether each tapped loss is known to be another micro-batch's
        self.divides = ""  # who divides the losses beside the loop, a sentence for a wrong step
        self.to_tap = TO_TAP  # how a loss is tapped here, for the error that none was
        self._taps = Taps(passes)
        self.readers = Readers(listed(model), path.names)
        path.forget = self._taps.forget

    @property
    def passes(self) -> int:
        """How many backward passes have added to a gradient so far."""
        return len(self._path.passes)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Follow the backward passes, and what the models return; `watch` does it."""
        with self._passes.watched(self._begin, self._end), self.readers.watched():
            yield

    def tap(
        self,
        loss: Tensor,
        targets: Any = None,  # noqa: ANN401 - a number, or a mask
        term: str = "loss",
        weight: float | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Return the loss, its values unchanged; what arrives at it in backward passes is read.

        Use what it returns from there on, before any mask and any division.

        Args:
            loss: a micro-batch's mean loss; or its sum; or an unreduced one, a loss per target.
            targets: how many targets the mean or sum is over; or which count, a mask. An unreduced
                loss needs none: its targets of weight 0 are taken for padding.
            term: which term of the objective it is; each is judged separately.
            weight: the intended total weight of the term. "loss" has 1, and so has the
                only term that an optimizer gets; for other terms without one, the proportions
                between micro-batches are judged.
            reduction: "sum" if a scalar loss is a sum over its targets.

        Raises:
            TypeError: `loss` is not a tensor.
            ValueError: it does not depend on any parameter, or what is said of it makes no sense.
        """
        if not isinstance(loss, Tensor):
            raise TypeError(f"loss must be a tensor, not {type(loss).__name__}")
        check_reduction(loss, reduction)
        check_term(term, weight)
        if not torch.is_grad_enabled():
            return loss  # evaluation, or the first run of a reentrant checkpoint
        if not loss.requires_grad:
            raise ValueError("loss must depend on the parameters, but it requires no gradient")
        count, mask = counted(loss, targets)
        if count is None and loss.ndim == 0 and self._judging["expect"] == "target":
            raise ValueError(
                "targets must be given for a scalar loss: how many targets its mean is over; or "
                'watch with expect="part", if every micro-batch is meant to count alike'
            )
        below = None if loss.ndim else scaled(loss)
        saved = saved_by(loss, below, main=term == MAIN)
        ignored = None if saved is None or saved.kept is None else ~saved.kept
        return self._taps.tap(
            loss,
            term=term,
            weight=weight,
            count=count,
            mask=mask if mask is not None or ignored is None else ~ignored,
            summed=reduction == "sum",
            below=below,
            saved=None if saved is None or loss.ndim else saved.count,
            ignored=ignored,
            targets=None if saved is None else saved.targets,
        )

    def report(self) -> Report:
        """Return what the step's losses weigh, against what they should.

        Under `torch.distributed` it is collective: each worker calls it, and gets the same report,
        which worker 0 prints.

        Raises:
            ValueError: no optimizer stepped, or nothing was tapped.
            RuntimeError: a worker did not come within a minute, or raised an error itself.
        """
        found = together(
            self._own, lambda everyone: judged(everyone, to_tap=self.to_tap, **self._judging)
        )
        told = (self.divides,) if self.divides and divided_wrongly(found) else ()
        return replace(found, quiet=rank() > 0, notes=(*found.notes, *told))

    def _begin(self, one: Pass, roots: Sequence[Any]) -> None:
        one.untapped = untapped(roots, self._path.names)
        if not self._taps.made:
            self.readers.begin(one, roots)

    def _end(self, one: Pass) -> None:
        self.readers.end(one)
        self._path.settle()

    def _own(self) -> Seen:
        return replace(self._seen(), replicas=self._peers, apart=self.apart)

    def _seen(self) -> Seen:
        taps = self._taps.made
        if taps:
            return seen_by(taps, self._path, self._coupled(), ())
        read, missed = self.readers.found(self._passes.seen)
        found = seen_by(read, self._path, self._coupled(), missed)
        shown = {one for tap in found.taps for one in tap.read}
        past = {one: name for one, name in found.untapped.items() if one not in shown}
        return replace(found, untapped=past)  # what is read, is read on every way

    def _coupled(self) -> tuple[str, ...]:
        """Name the layers that normalize a batch by its own statistics."""
        normed = ((n, m) for n, m in self._modules if isinstance(m, _BatchNorm) and m.training)
        return tuple(f"{name or 'the model'} ({type(m).__name__})" for name, m in normed)


def divided_wrongly(report: Report) -> bool:
    """Tell whether a division somewhere else would explain what was found."""
    asked = report.to_do == TO_DO_FOR["divided twice?"]
    return asked or report.verdict in _AVERAGED_WRONGLY


def accelerated(optimizer: Any) -> str:  # noqa: ANN401 - one optimizer, or several
    """Return what `divides` does, if accelerate has prepared an optimizer."""
    states = (getattr(one, "gradient_state", None) for one in listed(optimizer))
    return next((divides("accelerate", one.num_steps) for one in states if one is not None), "")


def divides(framework: str, parts: int) -> str:
    """Return a sentence on what divides a loss beside the loop itself; "" if nothing does."""
    said = [f"{framework} divides each loss by {parts}"] if parts > 1 else []
    said += [f"the gradients are averaged over {workers()} workers"] if workers() > 1 else []
    if not said:
        return ""
    times = parts * workers()
    return (
        f"{' and '.join(said)}. So the right loss is the micro-batch's mean * n * {times} / N, for "
        "its n targets of the N in the whole step, on all workers."
    )


def _modules(model: Models) -> list[tuple[str, nn.Module]]:
    return [named for one in listed(model) for named in one.named_modules()]
