"""Weights read at log-probabilities: what arrives there is a weight times the loss's own slope."""

from dataclasses import dataclass

import torch
from torch import Tensor

_STEEP = 1e-4  # of the steepest slope: what is below it can't be divided by


@dataclass(eq=False)
class LogProbs:
    """The log-probabilities (B, T) that one forward pass returned, and how a loss is made of them.

    Args:
        values: the log-probabilities.
        kept: which of them are those of targets that count.
        slopes: by how much each target's own loss changes with its log-probability; without,
            by −1, as cross-entropy does.
        by: what the intended mean is over: "target"; "sequence", whose loss is its targets' mean;
            or "position", padding too.
        length: how many positions a sequence has, if the mean is over them.
    """

    values: Tensor
    kept: Tensor | None = None
    slopes: Tensor | None = None
    by: str = "target"
    length: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weights."""
        size = self.values.shape
        return {"target": tuple(size), "sequence": (size[0],), "position": (size[0], self.length)}[
            self.by
        ]

    @property
    def counted(self) -> Tensor | None:
        """Which of the weights count; None if that is not known."""
        if self.by == "target":
            return self.kept
        return torch.ones(self.shape, dtype=torch.bool, device=self.values.device)

    def weights(self, arrived: Tensor) -> Tensor:
        """Return what each target, sequence or position weighs; NaN where the pass shows none.

        A target without a slope adds nothing to the gradient, whatever it weighs: an advantage of
        0, a clipped ratio. It is taken to weigh what the others of its pass do.
        """
        if self.slopes is None:
            return -arrived
        kept = torch.ones_like(arrived, dtype=torch.bool) if self.kept is None else self.kept
        steep = kept & (self.slopes.abs() > _STEEP * self.slopes.abs().max())
        each = torch.where(steep, arrived / torch.where(steep, self.slopes, 1.0), 0.0)
        if self.by == "sequence":
            means = each.sum(-1) / steep.sum(-1) * kept.sum(-1)
            return means.where(steep.any(-1), means[steep.any(-1)].mean())
        typical = each.sum() / steep.sum()
        each = torch.where(steep, each, typical)
        if self.by == "target":
            return each
        found = typical.repeat(self.shape)
        columns = min(self.length, each.shape[-1])
        found[:, -columns:] = each[:, -columns:]
        return found
