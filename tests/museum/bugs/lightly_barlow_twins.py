"""The workers' correlations are added up by a reduction that autograd does not see."""

from typing import Any

import torch
import torch.nn.functional as F
from field.tiny import CatchingSGD
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from museum.exhibit import About, Played, Stage
from museum.packages import package_file

ABOUT = About(
    project="lightly-ai/lightly",
    averaged="the global loss, with half its gradient",
    address="https://github.com/lightly-ai/lightly/issues/1977",
    reported="2026-07-09",
    state="closed",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.5,
    real="lightly 1.5.25 and 1.6.0: BarlowTwinsLoss(gather_distributed=True)",
    workers=2,
    before="now+lightly-1.5.25",
    after="now+lightly-1.6.0",
)


SIZE, OFF = 12, 5e-3


def play(stage: Stage, *, right: bool) -> Played:
    del right  # the release decides
    criterion = package_file("lightly/loss/barlow_twins_loss.py").BarlowTwinsLoss(
        OFF, gather_distributed=True
    )
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 4))
    model = model.to(getattr(torch, stage.dtype))
    net = DistributedDataParallel(model)
    optimizer = CatchingSGD(model)
    batches = views(stage)
    with stage.window(net, optimizer) as tap:
        one, other = batches[stage.rank]
        a, b = net(torch.cat([one, other])).chunk(2)
        tap(criterion(a, b), targets=SIZE).backward()
        optimizer.step()
    stage.handed = optimizer.handed[-1]
    return Played(
        model,
        batches,
        part=lambda m, batch: barlow(correlation(m, batch)),
        whole=lambda m, all_of: barlow(sum(correlation(m, b) for b in all_of) / len(all_of)),
        groups=[0, 1],
    )


def views(stage: Stage) -> list[Any]:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(2, 2, SIZE, 6, generator=generator, dtype=torch.float64)
    return list(drawn.to(getattr(torch, stage.dtype)))


def correlation(model: Any, batch: Any) -> Any:
    a, b = (F.batch_norm(model(view), None, None, training=True) for view in batch)
    return a.T @ b / SIZE


def barlow(c: Any) -> Any:
    off = c - torch.diag(torch.diagonal(c))
    return (torch.diagonal(c) - 1).square().sum() + OFF * off.square().sum()
