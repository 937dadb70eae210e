"""Tiny models with random weights in the `Trainer` of transformers."""

import tempfile
from typing import Any

import torch
import torch.nn.functional as F
from field.cases.transformers_trainer import VOCABULARY, make_trainer, tiny_config
from field.tiny import IGNORED, CatchingSGD
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    Trainer,
    TrainingArguments,
)

from museum.exhibit import Played, Side, Stage

WINDOW = 4  # micro-batches, of two texts each


def llama(stage: Stage) -> Any:
    return _made(LlamaForCausalLM, tiny_config(), stage)


def gpt2(stage: Stage) -> Any:
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=64,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    return _made(GPT2LMHeadModel, config, stage)


def mixtral(stage: Stage) -> Any:
    from transformers import MixtralConfig, MixtralForCausalLM

    config = MixtralConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_local_experts=4,
        output_router_logits=True,
        router_aux_loss_coef=0.02,
        max_position_embeddings=64,
    )
    config._experts_implementation = "eager"  # noqa: SLF001 - the fused one has no float64
    return _made(MixtralForCausalLM, config, stage)


def bert(stage: Stage) -> Any:
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        num_labels=3,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        classifier_dropout=0.0,
    )
    return _made(BertForSequenceClassification, config, stage)


def _made(kind: Any, config: Any, stage: Stage) -> Any:
    torch.manual_seed(0)
    return kind(config).to(getattr(torch, stage.dtype))


def trained(stage: Stage, model: Any, router: float = 0.0) -> Played:
    """Train a causal language model for one step on texts of unequal length."""

    def each(m: Any, inputs: Any) -> Tensor:
        seen = {name: value for name, value in inputs.items() if name != "labels"}
        logits, labels = m(**seen).logits[:, :-1], inputs["labels"][:, 1:]
        kept = labels != IGNORED
        return F.cross_entropy(logits[kept], labels[kept], reduction="none")

    def aux(m: Any, inputs: Any) -> Tensor:
        return m(**inputs).aux_loss[None]

    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(Trainer, folder, model, max_grad_norm=0.0)
        _stepped(stage, trainer)
    batches = trainer.data_collator.seen[:WINDOW]
    sides = {"aux_loss": Side(aux, router)} if router else {}
    return Played(model, batches, each=each, sides=sides)


def classified(stage: Stage, model: Any) -> Played:
    """Train a classifier for one step."""
    generator = torch.Generator().manual_seed(1)
    texts = [
        {
            "input_ids": torch.randint(1, VOCABULARY, (9,), generator=generator),
            "labels": int(torch.randint(3, (), generator=generator)),
        }
        for _ in range(2 * WINDOW)
    ]
    seen: list[Any] = []

    def collate(rows: Any) -> Any:
        seen.append(
            {
                "input_ids": torch.stack([row["input_ids"] for row in rows]),
                "labels": torch.tensor([row["labels"] for row in rows]),
            }
        )
        return dict(seen[-1])

    def each(m: Any, inputs: Any) -> Tensor:
        logits = m(input_ids=inputs["input_ids"]).logits
        return F.cross_entropy(logits, inputs["labels"], reduction="none")

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=WINDOW,
            num_train_epochs=1,
            max_grad_norm=0.0,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=texts, data_collator=collate)
        _stepped(stage, trainer)
    return Played(model, seen[:WINDOW], each=each)


def _stepped(stage: Stage, trainer: Any) -> None:
    """Train for one step: watched, as the docs of `audit_trainer` say, or caught."""
    state = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    if stage.watching:
        from gradexplain.integrations.transformers import audit_trainer

        stage.report = audit_trainer(trainer)
        trainer.model.load_state_dict(state)
        return
    trainer.optimizer = optimizer = CatchingSGD(trainer.model)
    with stage.window(trainer.model, optimizer):
        trainer.train()
    stage.handed = optimizer.handed[0]
    del stage.losses[WINDOW:]  # the epoch has a second, short window
