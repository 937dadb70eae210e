"""The models and data that reductions run on: small, unequal, the same each time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from museum.exhibit import Side

IGNORED = -100
FEATURES, CLASSES = 6, 5
Batch = tuple[Tensor, Tensor]


@dataclass
class World:
    """A model, each worker's micro-batches, and what a step over them should be the mean of."""

    model: Callable[[], nn.Module]
    batches: Sequence[Sequence[Any]]
    each: Callable[[Any, Any], Tensor] | None = None
    part: Callable[[Any, Any], Tensor] | None = None
    whole: Callable[[Any, Sequence[Any]], Tensor] | None = None
    sides: Mapping[str, Side] = field(default_factory=dict)
    extra: Mapping[str, Callable[[Any], Tensor]] = field(default_factory=dict)
    owner: Callable[[Any, Any], Tensor] | None = None  # how its owner computes a part's loss
    rest: Any = None  # what the epoch before left over

    @staticmethod
    def valid(batch: Any) -> bool:
        """Tell whether a micro-batch is one that can be learned from."""
        return bool(torch.isfinite(batch[0]).all())


def mean_loss(model: Any, batch: Batch) -> Tensor:
    """Return a micro-batch's mean over the targets that count: torch's own reduction."""
    x, y = batch
    return F.cross_entropy(model(x).flatten(0, -2), y.flatten(), ignore_index=IGNORED)


def sum_loss(model: Any, batch: Batch) -> Tensor:
    """Return the sum over the same targets."""
    x, y = batch
    return F.cross_entropy(
        model(x).flatten(0, -2), y.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def token_losses(model: Any, batch: Batch) -> Tensor:
    """Return the loss of every position, padding's too."""
    x, y = batch
    return F.cross_entropy(
        model(x).flatten(0, -2), y.flatten(), ignore_index=IGNORED, reduction="none"
    )


def each_loss(model: Any, batch: Batch) -> Tensor:
    """Return the losses of the targets that count."""
    return token_losses(model, batch)[batch[1].flatten() != IGNORED]


def count(batch: Batch) -> int:
    """Return how many targets count."""
    return int((batch[1] != IGNORED).sum())


def perceptron(*between: nn.Module, classes: int = CLASSES) -> nn.Module:
    """Return a small classifier, the same each time."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(FEATURES, 16), *between, nn.Tanh(), nn.Linear(16, classes))


def make(name: str, dtype: str) -> World:
    """Return the world of this name."""
    old = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        world = WORLDS[name]()
    finally:
        torch.set_default_dtype(old)
    build = world.model
    world.model = lambda: build().to(getattr(torch, dtype))
    return world


def sequences(*lengths: Sequence[int], seed: int = 1) -> World:
    """Each micro-batch holds two sequences: a prompt of a third, and one that is half padding."""
    generator = torch.Generator().manual_seed(seed)
    batches: list[list[Batch]] = []
    for mine in lengths:
        batches.append([])
        for length in mine:
            x = torch.randn(2, length, FEATURES, generator=generator, dtype=torch.float64)
            y = torch.randint(CLASSES, (2, length), generator=generator)
            y[0, : length // 3] = IGNORED
            y[1, length // 2 :] = IGNORED
            batches[-1].append((x.to(torch.get_default_dtype()), y))
    return World(perceptron, batches, each_loss)


def images(*sizes: Sequence[int], seed: int = 2, poisoned: int = -1) -> World:
    """Each micro-batch holds so many examples, one target each."""
    generator = torch.Generator().manual_seed(seed)
    batches: list[list[Batch]] = []
    for mine in sizes:
        batches.append([])
        for k, size in enumerate(mine):
            x = torch.randn(size, FEATURES, generator=generator, dtype=torch.float64)
            y = torch.randint(CLASSES, (size,), generator=generator)
            if k == poisoned:
                x[-1, 0] = torch.nan
            batches[-1].append((x.to(torch.get_default_dtype()), y))
    return World(perceptron, batches, each_loss)


def penalty(model: Any, batch: Batch) -> Tensor:
    """Return a term of its own for each example of a micro-batch: its squared logits."""
    x, _ = batch
    return model(x).square().mean(-1).flatten()


def balance(model: Any, batch: Batch) -> Tensor:
    """Return a router's loss: one number a micro-batch, a product of means over its tokens."""
    p = model(batch[0]).flatten(0, -2).softmax(-1)
    busy = F.one_hot(p.argmax(-1), p.shape[-1]).to(p.dtype).mean(0)
    return (p.shape[-1] * busy @ p.mean(0))[None]


def with_side(world: World, name: str, each: Callable[[Any, Any], Tensor], weight: float) -> World:
    """Add a term to a world."""
    world.sides = {name: Side(each, weight)}
    return world


def generation() -> World:
    """Return a window of two micro-batches; a generation batch has four."""
    return sequences((10, 7))


GENERATED = 61  # the completion tokens of that generation batch


def decay(model: Any, _: Any) -> Tensor:
    """Return an L2 penalty on the weights, which is the same for every micro-batch."""
    return sum(w.square().sum() for w in model.parameters())[None] / 2


def left_behind() -> World:
    """Return a window, and the micro-batch that the epoch before left over."""
    world = sequences((10, 3, 7, 4))
    ((rest, *_),) = sequences((6,), seed=5).batches
    world.extra = {"left over": lambda model: mean_loss(model, rest) / 4}
    world.rest = rest
    return world


def normalized() -> World:
    """Return images, and a model that normalizes each batch by its own statistics."""
    world = images((8, 8, 8, 8))
    world.model = lambda: perceptron(nn.BatchNorm1d(16))
    world.part = mean_loss
    world.whole = lambda model, all_of: mean_loss(model, merged(all_of))
    return world


def merged(batches: Sequence[Batch]) -> Batch:
    """Return all micro-batches as one, padded to the longest."""
    x, y = (list(column) for column in zip(*batches, strict=True))
    if x[0].ndim == 3:
        longest = max(each.shape[1] for each in x)
        x = [F.pad(each, (0, 0, 0, longest - each.shape[1])) for each in x]
        y = [F.pad(each, (0, longest - each.shape[1]), value=IGNORED) for each in y]
    return torch.cat(x), torch.cat(y)


def contrastive_loss(model: Any, batch: Batch) -> Tensor:
    """Return the loss of pairs with the batch's other examples as negatives."""
    x, _ = batch
    one, other = model(x), model(x.flip(-1))
    scores = F.normalize(one, dim=-1) @ F.normalize(other, dim=-1).T
    return F.cross_entropy(5 * scores, torch.arange(len(x)))


def pairs() -> World:
    """Return batches of pairs for a contrastive loss."""
    world = images((6, 6, 6, 6), seed=3)
    world.each = None
    world.part = contrastive_loss
    world.whole = lambda model, all_of: contrastive_loss(model, merged(all_of))
    return world


def pairs_on_two() -> World:
    """Return the same on two workers, one batch each."""
    world = pairs()
    ((one, other, *_),) = world.batches
    world.batches = [[one], [other]]
    return world


def dice(model: Any, batch: Batch) -> Tensor:
    """Return 1 - dice over a whole batch: a ratio of sums, no mean of examples."""
    x, y = batch
    p = model(x).softmax(-1).flatten(0, -2)
    true = F.one_hot(y.flatten(), CLASSES).to(p.dtype)
    return 1 - (2 * (p * true).sum(0) / (p.sum(0) + true.sum(0))).mean()


def segments() -> World:
    """Return two workers' voxels for a dice loss."""
    world = images((12,), (12,), seed=4)
    world.each = None
    world.part = dice
    world.whole = lambda model, all_of: dice(model, merged(all_of))
    return world


PENALIZED = 0.2  # the share of tokens that KL-Cov penalizes


def selected_loss(model: Any, batch: Batch) -> Tensor:
    """Return a mean in which the share of tokens with the largest losses is penalized."""
    losses = each_loss(model, batch)
    chosen = losses.detach().topk(max(1, int(PENALIZED * len(losses)))).indices
    penalized = losses.index_add(0, chosen, losses[chosen].square())
    return penalized.mean()


def selecting() -> World:
    """Return sequences whose tokens compete for a penalty."""
    world = sequences((10, 3, 7, 4))
    world.part = selected_loss
    world.whole = lambda model, all_of: selected_loss(model, merged(all_of))
    return world


def later_loss(model: Any, batch: Batch) -> Tensor:
    """Return the losses of the token after the next, at another temperature."""
    x, y = batch
    later = torch.full_like(y, IGNORED)
    later[:, :-1] = y[:, 1:]
    return each_loss(lambda given: model(given) / 2, (x, later))


class _FirstRow(torch.autograd.Function):
    """Cross-entropy, unreduced, whose backward takes the first row's gradient for every row."""

    @staticmethod
    def forward(context: Any, logits: Tensor, labels: Tensor) -> Tensor:
        context.save_for_backward(logits, labels)
        return F.cross_entropy(logits, labels, reduction="none")

    @staticmethod
    def backward(context: Any, incoming: Tensor) -> Any:
        logits, labels = context.saved_tensors
        off = logits.softmax(-1) - F.one_hot(labels, logits.shape[-1])
        return off * incoming.flatten()[0], None


def rewarded_losses(model: Any, batch: Batch, *, kernel: bool = False) -> Tensor:
    """Return the targets' losses times their advantages, from the kernel or from torch."""
    x, y = batch
    kept = y.flatten() != IGNORED
    logits, labels = model(x).flatten(0, -2)[kept], y.flatten()[kept]
    advantages = 1 + labels % 3
    losses = F.cross_entropy(logits, labels, reduction="none")
    return advantages * (_FirstRow.apply(logits, labels) if kernel else losses)


def rewarded_loss(model: Any, batch: Batch, *, kernel: bool = False) -> Tensor:
    """Return their mean."""
    return rewarded_losses(model, batch, kernel=kernel).mean()


def rewarded() -> World:
    """Return sequences with advantages, whose owner computes all losses with the kernel."""
    world = sequences((10, 3, 7, 4))
    world.each = rewarded_losses
    world.owner = lambda model, batch: rewarded_loss(model, batch, kernel=True)
    return world


WORLDS: dict[str, Callable[[], World]] = {
    "sequences": lambda: sequences((10, 3, 7, 4)),
    "images": lambda: images((8, 8, 8, 3)),
    "even images": lambda: images((6, 6, 6, 6)),
    "half a window": lambda: images((6, 6)),
    "poisoned images": lambda: images((6, 6, 6, 6), poisoned=1),
    "rewarded": rewarded,
    "left behind": left_behind,
    "generation": generation,
    "penalized": lambda: with_side(images((6, 6, 6, 6)), "r1", penalty, 0.5),
    "routed": lambda: with_side(sequences((10, 3, 7, 4)), "router", balance, 0.1),
    "normalized": normalized,
    "pairs": pairs,
    "selecting": selecting,
    "two workers": lambda: sequences((10, 3), (4, 12)),
    "two even workers": lambda: images((6,), (6,)),
    "two workers, two batches": lambda: images((6, 6), (6, 6)),
    "prompt first": lambda: sequences((5, 4), (14, 11)),
    "two workers, one batch": lambda: sequences((10,), (4,)),
    "two workers, two terms": lambda: with_side(sequences((12,), (5,)), "boxes", penalty, 0.5),
    "two workers, a later token": lambda: with_side(sequences((10,), (7,)), "mtp", later_loss, 0.3),
    "two workers, decay": lambda: with_side(images((6,), (6,)), "l2", decay, 0.01),
    "pairs on two workers": pairs_on_two,
    "segments": segments,
}
