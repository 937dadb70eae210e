"""Every worker has the global loss, but only its own embeddings carry a gradient."""

from typing import Any

import torch
from field.tiny import CatchingSGD
from torch.nn.parallel import DistributedDataParallel

from museum import worlds
from museum.exhibit import About, Played, Stage

ABOUT = About(
    project="KevinMusgrave/pytorch-metric-learning",
    averaged="the global loss, with half its gradient",
    address="https://github.com/KevinMusgrave/pytorch-metric-learning/issues/363",
    reported="2021-08-04",
    state="closed",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.5,
    real="pytorch-metric-learning 0.9.99 and 1.0.0: DistributedLossWrapper(NTXentLoss())",
    workers=2,
    before="now+pytorch-metric-learning-0.9.99",
    after="now+pytorch-metric-learning-1.0.0",
)


def play(stage: Stage, *, right: bool) -> Played:
    del right  # the release decides
    from pytorch_metric_learning.losses import NTXentLoss
    from pytorch_metric_learning.utils.distributed import DistributedLossWrapper

    world = worlds.make("pairs on two workers", stage.dtype)
    model = world.model()
    net, optimizer = DistributedDataParallel(model), CatchingSGD(model)
    criterion = DistributedLossWrapper(NTXentLoss(temperature=0.5))
    batches = [batch for mine in world.batches for batch in mine]
    labels = [torch.arange(len(x)) % 3 + 3 * k for k, (x, _) in enumerate(batches)]
    with stage.window(net, optimizer) as tap:
        x, _ = batches[stage.rank]
        tap(criterion(net(x), labels[stage.rank]), targets=len(x)).backward()
        optimizer.step()
    stage.handed = optimizer.handed[-1]

    def whole(m: Any, all_of: Any) -> Any:
        embedded = torch.cat([m(x) for x, _ in all_of])
        return NTXentLoss(temperature=0.5)(embedded, torch.cat(labels))

    def part(m: Any, batch: Any) -> Any:
        k = next(k for k, one in enumerate(batches) if one is batch)
        return NTXentLoss(temperature=0.5)(m(batch[0]), labels[k])

    return Played(model, batches, part=part, whole=whole, groups=[0, 1])
