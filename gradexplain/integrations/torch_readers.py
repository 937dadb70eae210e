"""Readers for loops without a tap: weights from what models and autograd already show.

In this order: `log_probs` that a model returns; the loss's own node in the graph, with its saved
targets; the `loss` that a model returns, by its value; the output of the head. The first three must
lie on every way from the objective to the parameters, the last must explain the whole gradient of
the logits. A router's `aux_loss` is a term of its own, and so are losses of different kinds. What
none of them can read is not read; what they can't be sure of carries a doubt.
"""

import contextlib
import functools
import operator
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gradexplain.integrations.torch_head import Logits, Solved, mean_cross_entropy, solved
from gradexplain.integrations.torch_linear import bent
from gradexplain.integrations.torch_log_probs import LogProbs
from gradexplain.integrations.torch_origins import Lines, Origin, lines
from gradexplain.integrations.torch_passes import Pass
from gradexplain.integrations.torch_saved import KINDS, MEAN, NLL, NONE, counted, doubt, weighted
from gradexplain.integrations.torch_scaled import squares
from gradexplain.integrations.torch_taps import Tap, Targets
from gradexplain.integrations.torch_terms import name_terms, question_passes

IGNORED = -100  # the label that Hugging Face's losses leave out
_NEAR = 2e-2  # how far a model's loss may be from the mean cross-entropy, in bfloat16


@dataclass(eq=False)
class Output:
    """What one forward pass of a model returned."""

    loss: Tensor | None
    log_probs: LogProbs | None
    aux_loss: Tensor | None
    logits: Tensor | None
    given: Mapping[str, Any] = field(default_factory=dict)
    router_weight: float | None = None


@dataclass(eq=False)
class Graph:
    """What is between a pass's roots and the parameters."""

    losses: list[Any]  # nodes of losses
    known: list[Any]  # the nodes to stop at that were met
    parameter: str | None  # one that is reached by another way
    bent: str | None = None  # a node above a loss that is not linear in it
    nodes: frozenset[str] = frozenset()  # the names of those above, and how losses are reduced


class Readers:
    """The readers of a window. They read a pass only while nothing was tapped."""

    def __init__(self, models: Sequence[nn.Module], names: Mapping[int, str]) -> None:
        """Prepare to read these models, whose parameters have these names."""
        self._made: list[tuple[Pass, Tap]] = []
        self._missed: list[tuple[Pass, str]] = []
        self._models, self._names = models, names
        self.outputs: list[Output] = []  # since the last pass began
        self.one_objective = False  # whether passes are known to differ in their batch alone
        self._logits: list[Logits] = []
        self._reading_head = False
        self._value: Tensor | None = None  # what the pass that is read at its heads started from
        self._forwards: set[Lines] = set()  # of the models' passes since the last pass began
        self._forwarded = 0  # how many such passes there were in all
        self._guessed = False  # whether a model was used without a gradient after the first of them

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Set the hooks on the models and their heads, and remove them."""
        with contextlib.ExitStack() as hooks:
            for model in self._models:
                added = model.register_forward_hook(Hook(self._returned), with_kwargs=True)
                hooks.callback(added.remove)
                head = _head(model)
                if head is not None:
                    hooks.callback(head.register_forward_hook(Hook(self._headed)).remove)
            yield

    def found(self, passes: Sequence[Pass]) -> tuple[list[Tap], list[str]]:
        """Return what was read in these passes, its terms named, and what could not be read."""
        kept = set(passes)
        made = [(one, tap) for one, tap in self._made if one in kept]
        if not self.one_objective:
            shared = 0 < self._forwarded < len({one for one, _ in made})
            question_passes(made, certain=shared or self._guessed)
        name_terms(made, one_objective=self.one_objective)
        return [tap for _, tap in made], [why for one, why in self._missed if one in kept]

    def begin(self, one: Pass, roots: Sequence[Any]) -> None:
        """Before a pass: find what shows its weights, and hook it."""
        outputs, self.outputs = self.outputs, []
        forwards, self._forwards = frozenset(self._forwards), set()
        self._reading_head = False
        routers = {o.aux_loss.grad_fn: o for o in outputs if o.aux_loss is not None}
        every = [output.log_probs for output in outputs if output.log_probs is not None]
        shown = {each.values.grad_fn: each for each in every}
        graph = met(roots, {*routers, *shown}, self._names)
        one.origin = Origin(lines(), forwards, graph.nodes)
        fused = [shown[node] for node in graph.known if node in shown]
        if graph.parameter is None and graph.bent is None and (graph.losses or fused):
            for node in sorted(graph.losses, key=lambda each: each._sequence_nr()):  # noqa: SLF001 - torch's own
                self._at_node(one, node)
            for each in fused:
                self._at_log_probs(one, each)
        elif not self._at_value(one, roots, outputs, set(routers)):
            self._reading_head = bool(self._logits)
            self._value = None if graph.known else _sum_of(roots)
            if not self._reading_head:
                self._missed.append((one, _reason(graph, roots)))
        for node in graph.known:
            if node in routers:
                self._at_router(one, routers[node])

    def end(self, one: Pass) -> None:
        """After a pass: solve at the heads, if that is how it is read."""
        logits, self._logits = self._logits, []
        if not self._reading_head:
            return
        self._reading_head = False
        read = [(each, solved(each)) for each in logits if each.gradient is not None]
        found = [(each, what) for each, what in read if isinstance(what, Solved)]
        self._missed += [(one, what) for _, what in read if isinstance(what, str)]
        value = None if self._value is None or len(found) < len(read) else float(self._value)
        total = sum(what.value for _, what in found)
        for each, what in found:
            kinds = [each.values.dtype] + ([] if self._value is None else [self._value.dtype])
            unit = max(torch.finfo(kind).eps for kind in kinds)
            rest = None if value is None else value - total + what.value
            zero = each.values.new_zeros(())
            tap = Tap("loss", None, what.count, None, summed=False, value=zero, unit=what.left)
            # The weights of a focal loss, or of another that bends a cross-entropy, depend on p.
            tap.doubt = "" if what.is_plain(rest, unit) else "targets"
            tap.readings[one] = what.weights
            self._made.append((one, tap))

    def _returned(self, model: nn.Module, _: Any, given: Any, out: Any) -> None:  # noqa: ANN401 - anybody's
        if torch.is_grad_enabled():
            self._forwards.add(lines())
            self._forwarded += 1
        elif self._forwarded:
            self._guessed = True
        loss, shown, aux = (
            _differentiable(out, name) for name in ("loss", "log_probs", "aux_loss")
        )
        if torch.is_grad_enabled() and not (loss is shown is aux is None):
            log_probs = None if shown is None else LogProbs(shown, _field(out, "label_mask"))
            weight = getattr(getattr(model, "config", None), "router_aux_loss_coef", None)
            logits = _field(out, "logits")
            self.outputs.append(Output(loss, log_probs, aux, logits, given, weight))

    def _headed(self, _: nn.Module, __: Any, out: Any) -> None:  # noqa: ANN401 - anybody's
        if isinstance(out, Tensor) and out.requires_grad:
            logits = Logits(out.detach())
            self._logits.append(logits)
            out.register_hook(logits.arrived)

    def _at_node(self, one: Pass, node: Any) -> None:  # noqa: ANN401 - a node of autograd's graph
        """Read what arrives at a loss's node, with the count of targets that it saved."""
        if node.name() not in KINDS:
            count = float(squares(node) or 0)
            tap = Tap("loss", None, count, None, summed=False, value=torch.zeros(()))
            tap.kind, tap.doubt = "squared error", "squares"
            self._hooked(one, node, tap)
            return
        reduction, (kept, found) = node._saved_reduction, counted(node)  # noqa: SLF001 - torch's own
        count = float(found)
        summed = reduction not in {NONE, MEAN}
        ignored = ~kept if reduction == NONE else None
        value = torch.zeros(kept.shape if reduction == NONE else (), device=kept.device)
        if not count and reduction == MEAN:
            value = value / 0  # the mean over no targets, as torch computes it
        tap = Tap("loss", None, count, None, summed=summed, value=value, ignored=ignored)
        tap.kind, tap.doubt = KINDS[node.name()], doubt(node)
        if summed and node.name() in NLL and weighted(node):
            tap.number = kept.sum()
        tap.targets = Targets.of(node._saved_target)  # noqa: SLF001 - torch's own
        self._hooked(one, node, tap)

    def _at_log_probs(self, one: Pass, found: LogProbs) -> None:
        """Read what arrives at each target's log-probability: its weight, times a slope."""
        kept, doubt = found.counted, "" if found.slopes is not None else "inside"
        value = found.values.new_zeros(found.shape)
        ignored = None if kept is None else ~kept
        tap = Tap("loss", None, None, kept, summed=False, value=value, ignored=ignored, doubt=doubt)
        self._hooked(one, found.values.grad_fn, tap, found.weights)

    def _at_router(self, one: Pass, output: Output) -> None:
        """Read a router's loss, a term of its own, whose weight the model may know."""
        found = output.aux_loss
        assert found is not None  # noqa: S101 - it was met in the graph
        tap = Tap("aux_loss", output.router_weight, 1.0, None, summed=False, value=found.detach())
        self._hooked(one, found.grad_fn, tap)

    def _at_value(
        self, one: Pass, roots: Sequence[Any], outputs: Sequence[Output], routers: set[Any]
    ) -> bool:
        """Read what arrives at the loss that a model returned, if that is a mean cross-entropy."""
        nodes = {o.loss.grad_fn: o for o in outputs if o.loss is not None}
        graph = met(roots, {*nodes, *routers}, self._names)
        mine = [nodes[node] for node in graph.known if node in nodes]
        if graph.parameter is not None or not mine:
            return False
        read = [(output, _mean_of(output)) for output in mine]
        if any(mean is None for _, mean in read):
            return False
        for output, mean in read:
            loss = output.loss
            assert loss is not None and mean is not None  # noqa: PT018, S101 - filtered above
            count, times = mean
            tap = Tap("loss", None, count, None, summed=False, value=loss.detach())
            self._hooked(one, loss.grad_fn, tap, functools.partial(operator.mul, times))
        return True

    def _hooked(
        self,
        one: Pass,
        node: Any,  # noqa: ANN401 - a node of autograd's graph
        tap: Tap,
        weights: Callable[[Tensor], Tensor] = lambda arrived: arrived,
    ) -> None:
        self._made.append((one, tap))

        def read(gradients: tuple[Tensor | None, ...]) -> None:
            if gradients[0] is not None:
                arrived = weights(gradients[0].detach())
                tap.readings[one] = tap.readings[one] + arrived if one in tap.readings else arrived

        node.register_prehook(read)


class Hook:
    """A forward hook that a copied or saved model does not take along."""

    def __init__(self, call: Callable[..., None]) -> None:
        """Call this function."""
        self._call = call

    def __call__(self, *arguments: Any) -> None:  # noqa: ANN401 - torch's
        """Hand the arguments over."""
        self._call(*arguments)

    def __reduce__(self) -> Any:  # noqa: ANN401 - as pickle wants it
        """Leave a hook that does nothing in its place."""
        return Hook, (_nothing,)


def _nothing(*_: object) -> None:
    """Do nothing."""


def met(roots: Sequence[Any], stops: Iterable[Any], weights: Mapping[int, str]) -> Graph:
    """Walk down from the roots to the losses, to the nodes to stop at, and to the parameters."""
    stops, graph = set(stops), Graph([], [], None)
    above: dict[Any, list[Any]] = {}
    nodes = [root for root in roots if getattr(root, "grad_fn", None) is not None]
    waiting = [_past_sinks(root.grad_fn, root.output_nr, stops) for root in nodes]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if node in stops:
            graph.known.append(node)
            continue
        if node.name() in KINDS or squares(node):
            graph.losses.append(node)
            continue
        name = weights.get(id(getattr(node, "variable", None)))
        graph.parameter = graph.parameter or name
        for each, place in node.next_functions:
            below = _past_sinks(each, place, stops)
            if below is not None:
                above.setdefault(below, []).append(node)
            if below is not None and below not in seen:
                seen.add(below)
                waiting.append(below)
    graph.bent = bent(graph.losses, above)
    reduced = (
        f"{node.name()} {getattr(node, '_saved_reduction', 'by hand')}" for node in graph.losses
    )
    graph.nodes = frozenset(node.name() for node in seen.difference(graph.losses)).union(reduced)
    return graph


def _past_sinks(node: Any, place: int, stops: Container[Any]) -> Any:  # noqa: ANN401 - a node of autograd's graph
    """Return what one output of DDP's sink, through which all outputs of its model run, is of."""
    while node is not None and node not in stops and node.name() == "_DDPSinkBackward":
        node, place = node.next_functions[place]
    return node


def _sum_of(roots: Sequence[Any]) -> Tensor | None:
    """Return the value of an objective; None if what it starts from does not tell."""
    values = [root.detach() for root in roots if isinstance(root, Tensor) and root.numel() == 1]
    return (
        torch.stack([each.reshape(()) for each in values]).sum()
        if len(values) == len(roots) and values
        else None
    )


def _reason(graph: Graph, roots: Sequence[Any]) -> str:
    top = [root.grad_fn.name() for root in roots if getattr(root, "grad_fn", None) is not None]
    reached = "is unknown"
    if graph.parameter:
        reached = f"reaches {graph.parameter} without a loss that watch knows"
    elif graph.bent:
        reached = f"applies {graph.bent} to its loss, so the objective is not linear in it"
    return f"a pass from {', '.join(top) or 'no node'} {reached}"


def _mean_of(output: Output) -> tuple[float, float] | None:
    """Return the count of targets, and the factor between a model's loss and their mean."""
    labels, logits, loss = output.given.get("labels"), output.logits, output.loss
    if (
        loss is None
        or loss.ndim
        or not isinstance(labels, Tensor)
        or not isinstance(logits, Tensor)
    ):
        return None
    total = output.given.get("num_items_in_batch")
    for shift in (1, 0):
        found = mean_cross_entropy(logits.detach(), labels, shift, IGNORED)
        if found is None or not found[0]:
            continue
        mean, count = found
        ratio = float(loss.detach()) / mean
        share = 1.0 if total is None else count / float(total)
        if abs(ratio / share - 1) <= _NEAR:
            return count, share
    return None


def _head(model: nn.Module) -> nn.Module | None:
    """Return the module that makes the logits, if the model names it."""
    for one in (model, getattr(model, "module", None)):
        named = getattr(one, "get_output_embeddings", None)
        head = named() if callable(named) else None
        if isinstance(head, nn.Module):
            return head
    return None


def _field(out: Any, name: str) -> Any:  # noqa: ANN401 - any output
    return out.get(name) if isinstance(out, Mapping) else getattr(out, name, None)


def _differentiable(out: Any, name: str) -> Tensor | None:  # noqa: ANN401 - any output
    value = _field(out, name)
    return value if isinstance(value, Tensor) and value.grad_fn is not None else None
