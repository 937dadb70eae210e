"""What TRL's trainers average, as of trl 1.16: whose counts, and where their weights are read.

Nothing of TRL is imported: its trainers are known by name, and read by their own settings.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradexplain.integrations.torch_log_probs import LogProbs
from gradexplain.integrations.torch_readers import Output

Inputs = Mapping[str, Any]

_COUPLED = {  # losses of DPO that are no mean over pairs
    "aot": "sorts the pairs of a micro-batch",
    "aot_unpaired": "sorts the pairs of a micro-batch",
    "sft": "adds a mean over tokens to one over pairs",
}
_BY = {"grpo": "sequence", "bnpo": "target", "dapo": "target", "dr_grpo": "position"}
_PLAIN = {  # settings under which a token's loss is its clipped ratio times its advantage
    "importance_sampling_level": "token",
    "use_vllm": False,
    "off_policy_mask_threshold": None,
    "top_entropy_quantile": 1.0,
    "entropy_coef": 0.0,
    "use_adaptive_entropy": False,
    "delta": None,
}


@dataclass(frozen=True)
class Reading:
    """How the weights of a trainer's step are read; by default, off what its model shows.

    Args:
        targets: how many targets the loss that `compute_loss` returns is the mean over.
        explain: says how a loss is made of the outputs of a micro-batch's forward passes.
    """

    targets: Callable[[Inputs], Any] | None = None
    explain: Callable[[Inputs, Sequence[Output]], None] | None = None


def reading_of(trainer: Any) -> Reading:  # noqa: ANN401 - any trainer
    """Return how a trainer is read.

    Raises:
        ValueError: it is one of TRL's, and what it averages cannot be read off its losses.
    """
    known = (kind for kind in type(trainer).__mro__ if kind.__module__.startswith("trl."))
    name = next((kind.__name__ for kind in known), None)
    if name is None:
        return Reading()
    unlike = list(_unlike(name, trainer))
    if unlike:
        raise ValueError(
            f"trainer must average what can be read off its losses, but {name} {unlike[0]}: if "
            "its compute_loss returns the mean over a micro-batch's targets, pass targets=, a "
            "function of the micro-batch's inputs that returns their number"
        )
    if name in {"DPOTrainer", "RewardTrainer"}:
        return Reading(targets=_pairs)
    if name == "GRPOTrainer":
        return Reading(explain=lambda given, outputs: _advantages(trainer, given, outputs))
    return Reading(explain=_by_probability if trainer.args.loss_type == "dft" else None)


def _unlike(name: str, trainer: Any) -> Iterator[str]:  # noqa: ANN401 - TRL's
    """Say why a trainer can't be read."""
    args = trainer.args
    if name == "DPOTrainer":
        losses = [args.loss_type] if isinstance(args.loss_type, str) else args.loss_type
        yield from (f"with loss_type {one!r} {_COUPLED[one]}" for one in losses if one in _COUPLED)
    elif name == "GRPOTrainer":
        if args.loss_type not in _BY:
            yield f"with loss_type {args.loss_type!r} has weights of its own for each token"
        for setting, plain in _PLAIN.items():
            given = getattr(args, setting, plain)
            if given != plain:
                yield f"with {setting}={given!r} has weights of its own for each token"
    elif name not in {"SFTTrainer", "RewardTrainer"}:
        yield "is not known"


def _pairs(given: Inputs) -> int:
    """Count the pairs: the chosen ones come first, the rejected ones after them."""
    return len(given["input_ids"]) // 2


def _by_probability(_: Inputs, outputs: Sequence[Output]) -> None:
    """Dynamic fine-tuning weighs each target's cross-entropy by its own probability."""
    for each in _shown(outputs):
        each.slopes = -each.values.detach().exp()


def _advantages(trainer: Any, given: Inputs, outputs: Sequence[Output]) -> None:  # noqa: ANN401 - TRL's
    """GRPO weighs each token's clipped ratio by its sequence's advantage."""
    mask = given["completion_mask"] * given.get("tool_mask", 1)
    start, length = 0, mask.shape[-1]
    for each in _shown(outputs):
        rows = slice(start, start + len(each.values))
        start = rows.stop
        own = {name: given[name][rows] for name in _OF_TOKENS if given.get(name) is not None}
        slopes = _slopes(trainer, each.values.detach()[:, -length:], given["advantages"][rows], own)
        before = each.values.shape[-1] - length  # positions of the prompt
        each.slopes = torch.nn.functional.pad(slopes, (before, 0))
        each.kept = torch.nn.functional.pad(mask[rows] != 0, (before, 0))
        each.by, each.length = _BY[trainer.args.loss_type], trainer.args.max_completion_length


_OF_TOKENS = "old_per_token_logps", "ref_per_token_logps"


def _slopes(trainer: Any, now: Tensor, advantages: Tensor, own: Inputs) -> Tensor:  # noqa: ANN401 - TRL's
    """Return the slope of each token's own loss with respect to its log-probability."""
    advantages = advantages if advantages.ndim > 1 else advantages[:, None]
    ratio = (now - own.get("old_per_token_logps", now)).exp()
    clipped = (advantages > 0) & (ratio > 1 + trainer.epsilon_high)
    clipped |= (advantages < 0) & (ratio < 1 - trainer.epsilon_low)
    slopes = torch.where(clipped, 0.0, -advantages * ratio)
    if not trainer.beta:
        return slopes
    above = now - own["ref_per_token_logps"]  # the penalty is e^−a + a − 1, or that times the ratio
    corrected = trainer.args.use_bias_correction_kl
    return slopes + trainer.beta * (ratio * above if corrected else 1 - (-above).exp())


def _shown(outputs: Sequence[Output]) -> list[LogProbs]:
    return [output.log_probs for output in outputs if output.log_probs is not None]
