"""The sum over a sampled batch is divided by the size that it has on average."""

import torch
import torch.nn.functional as F
from field.tiny import CatchingSGD
from torch import nn

from museum.exhibit import About, Played, Stage

ABOUT = About(
    project="meta-pytorch/opacus",
    averaged="ten examples, over the sixteen expected",
    address="https://github.com/meta-pytorch/opacus/issues/420",
    reported="2022-04-26",
    state="closed",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.625,
    real="opacus 1.6.0: DPOptimizer without noise, and a bound that clips none",
    before="now+opacus-1.6.0",
    after="now+opacus-1.6.0",
    remark=(
        "By design: the privacy guarantee needs a divisor that does not depend on the data. "
        "Right for a mean if the expected size is the batch's own."
    ),
)


SAMPLED, EXPECTED = 10, 16


def play(stage: Stage, *, right: bool) -> Played:
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    dtype = getattr(torch, stage.dtype)
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 5)).to(dtype)
    model = GradSampleModule(inner)
    caught = CatchingSGD(inner)
    optimizer = DPOptimizer(
        caught,
        noise_multiplier=0.0,
        max_grad_norm=1e6,
        expected_batch_size=SAMPLED if right else EXPECTED,
    )
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(SAMPLED, 6, generator=generator, dtype=torch.float64).to(dtype)
    y = torch.randint(5, (SAMPLED,), generator=generator)
    with stage.window(model, caught) as tap:
        tap(F.cross_entropy(model(x), y), targets=SAMPLED).backward()
        optimizer.step()
    stage.handed = caught.handed[-1]

    def each(m: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(m(x[rows]), y[rows], reduction="none")

    halves = list(torch.arange(SAMPLED).split(6))
    return Played(plain(inner), halves, each=each)


def plain(inner: nn.Module) -> nn.Module:
    """Return the model without opacus's hooks."""
    copy = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 5))
    copy = copy.to(next(inner.parameters()).dtype)
    copy.load_state_dict(inner.state_dict())
    return copy
