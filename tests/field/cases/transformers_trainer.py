"""Hugging Face transformers: `Trainer` with `gradient_accumulation_steps`, on the CPU."""

import tempfile
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    DataCollatorForLanguageModeling,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from field.capture import Capture
from field.tiny import IGNORED, CatchingSGD, gradient_of

PACKAGE = "transformers"
VOCABULARY = 32
LENGTHS = (3, 4, 20, 24, 8, 9, 30, 12, 5, 6, 7, 28)  # twelve texts, two a micro-batch
Inputs = dict[str, torch.Tensor]


class MeanLossTrainer(Trainer):
    """What many write: a loss of their own, the mean over the micro-batch."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:  # noqa: FBT001, FBT002 - the Trainer's own signature
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = shifted_mean(outputs.logits, labels)
        return (loss, outputs) if return_outputs else loss


class DeclaredMeanLossTrainer(MeanLossTrainer):
    """The same, saying so, as the class docstring of newer releases asks."""

    loss_is_scaled_for_ga = False


def unequal_tokens() -> Capture:
    """Four micro-batches whose token counts differ."""
    return _captured(Trainer, slice(0, 4), step=0)


def last_step_of_epoch() -> Capture:
    """The epoch's last optimizer step: two micro-batches are left where four are asked for."""
    return _captured(Trainer, slice(4, 6), step=1)


def own_loss() -> Capture:
    """A `compute_loss` of the user's own that returns the micro-batch's mean."""
    return _captured(MeanLossTrainer, slice(0, 4), step=0)


def own_loss_declared() -> Capture:
    """The same with `loss_is_scaled_for_ga = False`."""
    return _captured(DeclaredMeanLossTrainer, slice(0, 4), step=0)


def label_smoothing() -> Capture:
    """`label_smoothing_factor=0.1`: the Trainer's own loss instead of the model's."""
    return _captured(Trainer, slice(0, 4), step=0, label_smoothing_factor=0.1)


def make_trainer(kind: type[Trainer], folder: str, model: Any = None, **arguments: Any) -> Trainer:
    """A tiny Llama with random weights on twelve texts, two a micro-batch, four micro-batches."""
    torch.manual_seed(0)
    return kind(
        model=LlamaForCausalLM(tiny_config()) if model is None else model,
        args=TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=4,
            num_train_epochs=1,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            **arguments,
        ),
        train_dataset=texts(),
        data_collator=_Collator(),
    )


def _captured(kind: type[Trainer], which: slice, step: int, **arguments: Any) -> Capture:
    with tempfile.TemporaryDirectory() as folder:
        # Clipping is off, so that what is seen is the averaging alone.
        trainer = make_trainer(kind, folder, max_grad_norm=0.0, **arguments)
        model, collate = trainer.model, trainer.data_collator
        trainer.optimizer = optimizer = CatchingSGD(model)
        trainer.train()
    smoothing = arguments.get("label_smoothing_factor", 0.0)
    return Capture(
        accumulated=optimizer.handed[step],
        parts=[_part(model, inputs, smoothing) for inputs in collate.seen[which]],
        counts=[int((inputs["labels"][:, 1:] != IGNORED).sum()) for inputs in collate.seen[which]],
    )


class _Collator(DataCollatorForLanguageModeling):
    """The library's own collator for causal language models; it keeps what it made."""

    def __init__(self) -> None:
        words = {f"w{i}": i for i in range(VOCABULARY)}
        tokens = Tokenizer(WordLevel(words, unk_token="w31"))
        super().__init__(
            PreTrainedTokenizerFast(tokenizer_object=tokens, pad_token="w0"), mlm=False
        )
        self.seen: list[Inputs] = []

    def __call__(self, features: Any, return_tensors: Any = None) -> Any:
        made = super().__call__(features, return_tensors)
        self.seen.append({name: value.clone() for name, value in made.items()})
        return made


def tiny_config() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )


def texts() -> list[dict[str, list[int]]]:
    generator = torch.Generator().manual_seed(1)
    return [
        {"input_ids": torch.randint(1, VOCABULARY - 1, (length,), generator=generator).tolist()}
        for length in LENGTHS
    ]


def _part(model: LlamaForCausalLM, inputs: Inputs, smoothing: float) -> dict[str, torch.Tensor]:
    def loss() -> torch.Tensor:
        seen = {name: value for name, value in inputs.items() if name != "labels"}
        return shifted_mean(model(**seen).logits, inputs["labels"], smoothing)

    return gradient_of(model, loss)


def shifted_mean(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Mean over the labels that count, each predicted from the position before it."""
    return F.cross_entropy(
        logits[:, :-1].flatten(0, 1),
        labels[:, 1:].flatten(),
        ignore_index=IGNORED,
        label_smoothing=smoothing,
    )
