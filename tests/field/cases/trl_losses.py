"""TRL's trainers, by the loss that they are asked for."""

from collections.abc import Mapping
from typing import Any

from field.situation import Situation
from field.trainers import Make, audited, mixtral
from field.trainers_trl import dpo, grpo, on_policy, reward, sft

PACKAGE = "trl"


def _of(text: str, make: Make) -> Situation:
    return Situation(text, lambda: audited(make))


def _grpo(loss_type: str, **arguments: int) -> Situation:
    return _of(_asked(loss_type, arguments), grpo(loss_type=loss_type, **arguments))


def _on_policy(loss_type: str, by: str, **arguments: Any) -> Situation:
    text = _asked(loss_type, arguments)
    return Situation(text, lambda: on_policy(by, loss_type=loss_type, **arguments))


def _asked(loss_type: str, arguments: Mapping[str, Any]) -> str:
    return ", ".join([f"GRPO, `{loss_type}`", *(f"`{n}={v!r}`" for n, v in arguments.items())])


TABLE = {
    "sft": _of("SFT", sft()),
    "sft_bf16": _of("SFT in bf16", sft(bf16=True)),
    "sft_router": _of("SFT of Mixtral, with its router's loss", sft(mixtral)),
    "sft_dft": _of('SFT, `loss_type="dft"`', sft(loss_type="dft")),
    "dpo": _of("DPO", dpo(16)),
    "dpo_odd": _of("DPO, one pair in the last micro-batch", dpo(7)),
    "reward": _of("Reward", reward(16)),
    "reward_odd": _of("Reward, one pair in the last micro-batch", reward(7)),
    "grpo": _grpo("grpo"),
    "grpo_bnpo": _grpo("bnpo"),
    "grpo_dr": _grpo("dr_grpo"),
    "grpo_dapo": _grpo("dapo"),
    "grpo_dapo_shorter": _grpo("dapo", num_generations=4, steps_per_generation=2),
    "grpo_dapo_longer": _on_policy("dapo", "target", steps_per_generation=8),
    "grpo_cispo": _on_policy("cispo", "target", epsilon_high=5.0),
    "grpo_cispo_default": _on_policy("cispo", "target"),
    "grpo_sapo": _on_policy("sapo", "sequence"),
    "grpo_vespo": _on_policy("vespo", "target"),
    "grpo_luspo": _on_policy("luspo", "sum", importance_sampling_level="sequence"),
}
