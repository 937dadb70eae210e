"""PyTorch DistributedDataParallel: two processes (gloo), each with its own count of targets."""

import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from field.capture import Capture
from field.tiny import (
    CatchingSGD,
    language_model,
    mean_loss,
    parts_of,
    summed_loss,
    targets_in,
    token_batches,
)
from field.workers import leave, meet, start

PACKAGE = "torch"
LENGTHS = (40, 6)
WORKERS = len(LENGTHS)


def unequal_tokens() -> Capture:
    """Each worker the mean over its own targets; DDP averages the gradients over the workers."""
    return _parallel(by_count=False)


def global_count() -> Capture:
    """The same, right: sums, times the workers, over the all-reduced count of targets."""
    return _parallel(by_count=True)


def _parallel(*, by_count: bool) -> Capture:
    with tempfile.TemporaryDirectory() as folder:
        start(_work, folder, by_count, number=WORKERS)
        handed = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(WORKERS)]
    if any(not torch.equal(handed[0][name], handed[1][name]) for name in handed[0]):
        raise AssertionError("the workers stepped with different gradients")
    model, batches = language_model(), token_batches(LENGTHS)
    return Capture(
        accumulated=handed[0],
        parts=parts_of(model, batches, mean_loss),
        counts=[targets_in(batch) for batch in batches],
    )


def _work(rank: int, folder: str, by_count: bool) -> None:  # noqa: FBT001 - given by place
    meet(folder, rank, WORKERS)
    model = DistributedDataParallel(language_model())
    optimizer = CatchingSGD(model.module)
    batch = token_batches(LENGTHS)[rank]
    if by_count:
        total = torch.tensor(targets_in(batch))
        dist.all_reduce(total)
        loss = summed_loss(model, batch) * WORKERS / total
    else:
        loss = mean_loss(model, batch)
    loss.backward()
    optimizer.step()
    torch.save(optimizer.handed[0], Path(folder) / f"{rank}.pt")
    leave()
