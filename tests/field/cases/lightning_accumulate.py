"""Lightning: `Trainer(accumulate_grad_batches=4)` with automatic optimization."""

import logging
import warnings
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader

from field.capture import Capture
from field.tiny import (
    Batch,
    CatchingSGD,
    language_model,
    mean_loss,
    parts_of,
    targets_in,
    token_batches,
)

PACKAGE = "lightning"
ACCUMULATE = 4
LENGTHS = (40, 6, 14, 4, 10, 30)  # an epoch of six micro-batches: a step of four and one of two


class _Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = language_model()
        self.optimizer = CatchingSGD(self.model)

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        return mean_loss(self.model, batch)

    def configure_optimizers(self) -> CatchingSGD:
        return self.optimizer


def unequal_tokens() -> Capture:
    """Four micro-batches whose token counts differ."""
    return _accumulate(LENGTHS[:4], step=0)


def last_step_of_epoch() -> Capture:
    """The epoch's last optimizer step: two micro-batches are left where four are asked for."""
    return _accumulate(LENGTHS, step=1)


def _accumulate(lengths: tuple[int, ...], step: int) -> Capture:
    batches = token_batches(lengths)
    module = _Module()
    loader: Any = DataLoader(batches, batch_size=None)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises more workers, and loggers
        lightning.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=1,
            accumulate_grad_batches=ACCUMULATE,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(module, loader)
    mine = batches[step * ACCUMULATE :]
    return Capture(
        accumulated=module.optimizer.handed[step],
        parts=parts_of(module.model, mine, mean_loss),
        counts=[targets_in(batch) for batch in mine],
    )
