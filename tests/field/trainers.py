"""Trainers of transformers, tiny and on the CPU: each configuration right, and wrong as people do.

What needs TRL or PEFT is in `trainers_trl`.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
import transformers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    DataCollatorWithFlattening,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
    Trainer,
    ViTConfig,
    ViTForImageClassification,
    default_data_collator,
)

from field.cases.transformers_trainer import (
    LENGTHS,
    VOCABULARY,
    MeanLossTrainer,
    make_trainer,
    shifted_mean,
    tiny_config,
)
from field.tiny import IGNORED
from gradexplain import Report
from gradexplain.integrations.transformers import audit_trainer

OLD = transformers.__version__ == "4.45.2"
RELEASE = "mean-of-means" if OLD else "exact"  # how the stock trainer reads
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
Make = Callable[[str], Trainer]


@dataclass(frozen=True)
class Configuration:
    """A trainer, right; and wrong, with what is to be said of that. One of them may be missing."""

    right: Make | None
    wrong: Make | None = None
    verdict: str = ""
    words: str = ""


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(tiny_config())


def stock(model: Callable[[], Any] = llama, kind: Any = Trainer, **arguments: Any) -> Make:
    return lambda folder: make_trainer(kind, folder, model(), **arguments)


def mixtral() -> MixtralForCausalLM:
    torch.manual_seed(0)
    return MixtralForCausalLM(
        MixtralConfig(
            vocab_size=VOCABULARY,
            intermediate_size=24,
            num_key_value_heads=2,
            num_local_experts=4,
            output_router_logits=True,
            max_position_embeddings=64,
            **SMALL,
        )
    )


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    sizes = {"n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, **sizes)
    )


def bert(kind: Any, labels: int = 3) -> Callable[[], Any]:
    config = BertConfig(
        vocab_size=VOCABULARY,
        intermediate_size=24,
        max_position_embeddings=64,
        num_labels=labels,
        **SMALL,
    )
    return lambda: kind(config)


def t5() -> T5ForConditionalGeneration:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2}
    return T5ForConditionalGeneration(
        T5Config(vocab_size=VOCABULARY, decoder_start_token_id=0, **sizes)
    )


def vit() -> ViTForImageClassification:
    torch.manual_seed(0)
    sizes = {"image_size": 8, "patch_size": 4, "num_channels": 1, "intermediate_size": 24}
    return ViTForImageClassification(ViTConfig(num_labels=3, **sizes, **SMALL))


def images(*, several: bool = False, declared: bool = False) -> Make:
    """Twelve images, put together by the library's own collator: each has one class, or several."""

    def make(folder: str) -> Trainer:
        trainer = make_trainer(Trainer, folder, vit())
        generator = torch.Generator().manual_seed(1)
        drawn = torch.randn(12, 1, 8, 8, generator=generator)
        marked = torch.randint(2, (12, 3), generator=generator).float()
        trainer.train_dataset = [
            {"pixel_values": image, "labels": marked[k] if several else k % 3}
            for k, image in enumerate(drawn)
        ]
        trainer.data_collator = default_data_collator
        if declared:
            trainer.model_accepts_loss_kwargs = False
        return trainer

    return make


def audited(make: Make) -> Report:
    """Return what the first step of a trainer reads as."""
    with tempfile.TemporaryDirectory() as folder:
        return audit_trainer(make(folder))


def flattened(kind: Any = Trainer) -> Make:
    def make(folder: str) -> Trainer:
        trainer = make_trainer(kind, folder)
        trainer.data_collator = DataCollatorWithFlattening()
        return trainer

    return make


def with_loss(loss: Callable[..., torch.Tensor]) -> Make:
    def make(folder: str) -> Trainer:
        trainer = make_trainer(Trainer, folder)
        trainer.compute_loss_func = loss
        return trainer

    return make


def summed(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    logits, targets = outputs.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
    total = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
    return total / num_items_in_batch


def averaged(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    del num_items_in_batch
    return shifted_mean(outputs.logits, labels)


def head(
    model: Callable[[], Any], label: Callable[[list[int]], Any], *, declared: bool = False
) -> Make:
    """A model with a head: it has a label for each text, or for each token."""

    def make(folder: str) -> Trainer:
        trainer = make_trainer(Trainer, folder, model())
        trainer.train_dataset = [
            {**text, "labels": label(text["input_ids"])} for text in trainer.train_dataset
        ]
        trainer.data_collator = padded
        if declared:  # as the hint of the report says
            trainer.model_accepts_loss_kwargs = False
        return trainer

    return make


def padded(texts: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    def column(name: str, filler: int) -> torch.Tensor:
        rows = [torch.tensor(text[name]) for text in texts]
        if not rows[0].ndim:
            return torch.stack(rows)
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=filler)

    ids = column("input_ids", 0)
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": column("labels", -100)}


def of_tokens(ids: list[int]) -> list[int]:
    return [one % 3 for one in ids]


def of_text(ids: list[int]) -> int:
    return sum(ids) % 3


def number(ids: list[int]) -> float:
    return len(ids) / max(LENGTHS)


DROPPED = "whose loss does not take num_items_in_batch"
TOKENS, TEXTS = bert(BertForTokenClassification), bert(BertForSequenceClassification)

ANY = {  # run with each release; what is right in the newer one is a mean of means in the older
    "default": Configuration(stock()),
    "bfloat16": Configuration(stock(lambda: llama().bfloat16())),
    "bf16": Configuration(stock(bf16=True)),
    "clipped": Configuration(stock(max_grad_norm=1e-3)),
    "label-smoothing": Configuration(stock(label_smoothing_factor=0.1)),
    "checkpointing": Configuration(stock(gradient_checkpointing=True)),
    "noise": Configuration(stock(neftune_noise_alpha=5.0)),
}
NEW = {
    "flattening": Configuration(flattened(), flattened(MeanLossTrainer), "mean-of-means"),
    "own-loss": Configuration(
        with_loss(summed), with_loss(averaged), "mean-of-means", "divide a sum by it"
    ),
    "router": Configuration(
        None, stock(mixtral), "rescaled", "The model adds its router's loss to one"
    ),
    "gpt2": Configuration(
        None, stock(gpt2), "rescaled", "it counted them before this model's loss shifts them"
    ),
    "masked-language": Configuration(
        None, head(bert(BertForMaskedLM), of_tokens), "mean-of-means", DROPPED
    ),
    "token-classes": Configuration(None, head(TOKENS, of_tokens), "mean-of-means", DROPPED),
    "text-classes": Configuration(
        head(TEXTS, of_text, declared=True), head(TEXTS, of_text), "rescaled", DROPPED
    ),
    "regression": Configuration(
        head(bert(BertForSequenceClassification, 1), number, declared=True),
        head(bert(BertForSequenceClassification, 1), number),
        "rescaled",
        DROPPED,
    ),
    "images": Configuration(images()),
    "images-several": Configuration(
        images(several=True, declared=True), images(several=True), "rescaled", DROPPED
    ),
    "t5": Configuration(None, head(t5, of_tokens), "mean-of-means", DROPPED),
}
