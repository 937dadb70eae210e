"""A module in Lightning's Trainer, which accumulates four micro-batches."""

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import lightning
import torch
from field.tiny import CatchingSGD
from torch.utils.data import DataLoader

from museum import worlds
from museum.exhibit import Played, Stage


class Module(lightning.LightningModule):
    """Returns what `loss` makes of a micro-batch's mean."""

    def __init__(self, world: worlds.World, loss: Callable[..., Any], tap: Any) -> None:
        super().__init__()
        self.model, self.loss, self.tap = world.model(), loss, tap
        self.optimizer = CatchingSGD(self.model)
        self.total = sum(map(worlds.count, world.batches[0]))

    def training_step(self, batch: Any, _: int) -> Any:
        n = worlds.count(batch)
        mean = self.tap(worlds.mean_loss(self.model, batch), targets=n)
        return self.loss(mean, n, self.total)

    def configure_optimizers(self) -> CatchingSGD:
        return self.optimizer


def fitted(
    stage: Stage, sizes: Sequence[int], loss: Callable[..., Any], *, even: bool = False
) -> Played:
    """Fit for one step."""
    world = worlds.make("sequences", stage.dtype)
    drawn = worlds.images if even else worlds.sequences
    world.batches = [
        [(x.to(getattr(torch, stage.dtype)), y) for x, y in drawn(tuple(sizes)).batches[0]]
    ]
    module = Module(world, loss, lambda given, **_: given)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises more workers, and loggers
        with stage.window(module.model, module.optimizer) as module.tap:
            lightning.Trainer(
                accelerator="cpu",
                devices=1,
                max_epochs=1,
                accumulate_grad_batches=4,
                precision="64-true" if stage.dtype == "float64" else "32-true",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            ).fit(module, DataLoader(world.batches[0], batch_size=None))
    stage.handed = module.optimizer.handed[0]
    return Played(module.model, world.batches[0], each=world.each)
