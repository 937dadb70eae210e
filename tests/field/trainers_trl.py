"""TRL's trainers, and models with adapters: each configuration right, and wrong as people do."""

import tempfile
from collections.abc import Callable
from typing import Any

import datasets
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaForSequenceClassification, PreTrainedTokenizerFast, Trainer
from trl import (
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    GRPOTrainer,
    RewardConfig,
    RewardTrainer,
    SFTConfig,
    SFTTrainer,
)

from field.cases.transformers_trainer import LENGTHS, VOCABULARY, texts, tiny_config
from field.tiny import CatchingSGD, parts_of
from field.trainers import Configuration, Make, llama, mixtral, stock
from gradexplain import Report, audit_accumulation

datasets.disable_progress_bars()
COMMON = {
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 4,
    "num_train_epochs": 1,
    "report_to": [],
    "save_strategy": "no",
    "disable_tqdm": True,
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
}


def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"w{i}": i for i in range(VOCABULARY)}
    made = Tokenizer(WordLevel(words, unk_token="w31"))
    made.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="w0", eos_token="w1", padding_side="left"
    )


def words(number: int, seed: int) -> str:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(2, VOCABULARY - 1, (number,), generator=generator)
    return " ".join(f"w{i}" for i in drawn.tolist())


def pairs(number: int) -> Dataset:
    return Dataset.from_list(
        [
            {
                "prompt": words(3, k) + " ",
                "chosen": words(LENGTHS[k % 12], k + 100),
                "rejected": words(LENGTHS[(5 * k + 2) % 12], k + 200),
            }
            for k in range(number)
        ]
    )


def lora(model: Any) -> Any:
    return get_peft_model(
        model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj", "v_proj"])
    )


def sft(model: Callable[[], Any] = llama, kind: Any = SFTTrainer, **arguments: Any) -> Make:
    return lambda folder: kind(
        model(),
        args=SFTConfig(output_dir=folder, **COMMON | arguments),
        train_dataset=Dataset.from_list(texts()),
        processing_class=tokenizer(),
    )


class MeanSFT(SFTTrainer):
    """A loss of one's own: the micro-batch's mean."""

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        shown = model(**inputs, fused_lm_head=True)
        return -shown.log_probs.sum() / shown.label_mask.sum()


def dpo(number: int = 8, **arguments: Any) -> Make:
    return lambda folder: DPOTrainer(
        llama(),
        ref_model=llama(),
        args=DPOConfig(output_dir=folder, **COMMON | arguments),
        train_dataset=pairs(number),
        processing_class=tokenizer(),
    )


def reward(number: int = 8, kind: Any = RewardTrainer, **arguments: Any) -> Make:
    def make(folder: str) -> Trainer:
        torch.manual_seed(0)
        config = tiny_config()
        config.num_labels, config.pad_token_id = 1, 0
        return kind(
            LlamaForSequenceClassification(config),
            args=RewardConfig(output_dir=folder, **COMMON | arguments),
            train_dataset=pairs(number),
            processing_class=tokenizer(),
        )

    return make


class Scaled(RewardTrainer):
    """Says that its loss is divided by K already, which it is not."""

    loss_is_scaled_for_ga = True


def by_place(completions: list[str], **_: Any) -> list[float]:
    """Every advantage differs from 0."""
    return [float(k) for k in range(len(completions))]


def alike(completions: list[str], **_: Any) -> list[float]:
    return [1.0] * len(completions)


def grpo(
    kind: Any = GRPOTrainer, rewards: Any = by_place, model: Any = llama, **arguments: Any
) -> Make:
    given = {"num_generations": 2, "max_completion_length": 12, **arguments}
    prompts = Dataset.from_list([{"prompt": words(3, k)} for k in range(16)])
    return lambda folder: kind(
        model(),
        reward_funcs=rewards,
        args=GRPOConfig(output_dir=folder, **COMMON | given),
        train_dataset=prompts,
        processing_class=tokenizer(),
    )


def penalized(**arguments: Any) -> Make:
    """With a penalty, TRL loads the reference from the folder that the model came from."""

    def make(folder: str) -> Trainer:
        llama().save_pretrained(folder)
        return grpo(model=lambda: folder, beta=0.1, learning_rate=1e-2, **arguments)(folder)

    return make


class TokenMean(GRPOTrainer):
    """Divides each micro-batch by its own tokens, and not by K."""

    def compute_loss(self, *arguments: Any, **named: Any) -> Any:
        return super().compute_loss(*arguments, **named) * self.current_gradient_accumulation_steps


class KeepingGRPO(GRPOTrainer):
    """Keeps what each micro-batch's loss is computed from."""

    def compute_loss(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        self.kept = [*getattr(self, "kept", []), inputs]
        return super().compute_loss(model, inputs, *rest, **named)


def on_policy(by: str, **arguments: Any) -> Report:
    """Return what the gradient of a step right after generating reads as.

    All probability ratios are 1 then, so that each loss of a token falls by its advantage times
    the change of its log-probability: the kinds of loss differ in what they average over.

    Args:
        by: "target" for the mean over tokens, "sequence" for the mean over sequences of theirs,
            "sum" for the mean over sequences of their sums.
        arguments: of the trainer's configuration.
    """
    with tempfile.TemporaryDirectory() as folder:
        given = {"max_grad_norm": 0.0, "max_steps": 1, **arguments}
        trainer = grpo(KeepingGRPO, **given)(folder)
        trainer.optimizer = optimizer = CatchingSGD(trainer.model)
        trainer.train()
    masks = [one["completion_mask"] for one in trainer.kept]
    return audit_accumulation(
        optimizer.handed[0],
        parts_of(trainer.model, trainer.kept, lambda model, one: _advantage(model, one, by)),
        counts=[int(mask.sum()) if by == "target" else len(mask) for mask in masks],
    )


def _advantage(model: Any, given: Any, by: str) -> torch.Tensor:
    ids = torch.cat([given["prompt_ids"], given["completion_ids"]], 1)
    mask = given["completion_mask"]
    seen = torch.cat([given["prompt_mask"], mask], 1)
    before = -mask.shape[1] - 1  # each token is predicted from the position before it
    shown = model(input_ids=ids, attention_mask=seen).logits[:, before:-1].log_softmax(-1)
    chosen = shown.gather(-1, given["completion_ids"][..., None])[..., 0]
    losses = -given["advantages"].reshape(len(mask), -1) * chosen * mask
    if by == "target":
        return losses.sum() / mask.sum()
    sums = losses.sum(1)
    return (sums / mask.sum(1) if by == "sequence" else sums).mean()


TRL = {
    "lora": Configuration(stock(lambda: lora(llama()))),
    "lora-bf16-checkpointing": Configuration(
        stock(lambda: lora(llama()), bf16=True, gradient_checkpointing=True)
    ),
    "sft": Configuration(sft(), sft(kind=MeanSFT), "mean-of-means", "times 4"),
    "sft-bf16": Configuration(sft(bf16=True), sft(kind=MeanSFT, bf16=True), "mean-of-means"),
    "sft-bfloat16": Configuration(sft(lambda: llama().bfloat16())),
    "sft-lora": Configuration(sft(lambda: lora(llama()))),
    "sft-packing": Configuration(sft(packing=True, max_length=40, packing_strategy="wrapped")),
    "sft-padding-free": Configuration(sft(padding_free=True, max_length=None)),
    "sft-smoothing": Configuration(sft(label_smoothing_factor=0.1)),
    "sft-dft": Configuration(sft(loss_type="dft")),
    "sft-router": Configuration(sft(mixtral)),
    "dpo": Configuration(dpo(), dpo(7), "mean-of-means"),
    "dpo-bf16": Configuration(dpo(bf16=True), dpo(7, bf16=True), "mean-of-means"),
    "reward": Configuration(reward(), reward(7), "mean-of-means"),
    "reward-declared": Configuration(None, reward(kind=Scaled), "rescaled", "times 4"),
    "grpo": Configuration(
        grpo(loss_type="grpo"), grpo(kind=TokenMean, loss_type="grpo"), "rescaled", "times 4"
    ),
    "grpo-bf16": Configuration(grpo(loss_type="grpo", bf16=True)),
    "grpo-bnpo": Configuration(None, grpo(loss_type="bnpo"), "mean-of-means"),
    "grpo-dr": Configuration(
        grpo(loss_type="dr_grpo"), grpo(kind=TokenMean, loss_type="dr_grpo"), "rescaled"
    ),
    "grpo-dapo": Configuration(
        grpo(loss_type="dapo"),
        grpo(loss_type="dapo", num_generations=4, steps_per_generation=2),
        "reweighted",
    ),
    "grpo-dapo-longer": Configuration(
        None, grpo(loss_type="dapo", steps_per_generation=8), "rescaled"
    ),
    "grpo-penalty": Configuration(penalized(loss_type="grpo", num_iterations=2)),
    "grpo-penalty-plain": Configuration(
        penalized(loss_type="grpo", num_iterations=2, use_bias_correction_kl=False)
    ),
}
