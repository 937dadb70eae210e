"""Two workers under torchrun: trainers of transformers and TRL; prints what was said."""

import contextlib
import json
import logging
import os
import sys
import tempfile
from typing import Any

import torch.distributed as dist
from field.cases.transformers_trainer import MeanLossTrainer
from field.test_trainer import Hinge, trained
from field.trainers import TEXTS, gpt2, head, llama, mixtral, of_text, stock
from field.trainers_trl import dpo, grpo, lora, reward, sft

from gradexplain.integrations.transformers import audit_trainer

logging.disable(logging.WARNING)
BY_WORKER: dict[str, Any] = {"average_tokens_across_devices": False}
TRAINERS = {
    "default": stock(),
    "default, by worker": stock(**BY_WORKER),
    "bf16": stock(bf16=True),
    "lora": stock(lambda: lora(llama())),
    "own loss": stock(kind=MeanLossTrainer),
    "gpt2": stock(gpt2),
    "router": stock(mixtral),
    "text classes": head(TEXTS, of_text),
    "text classes, declared": head(TEXTS, of_text, declared=True),
    "sft": sft(),
    "sft, by worker": sft(**BY_WORKER),
    "sft, router": sft(mixtral),
    "dpo": dpo(16),
    "reward": reward(16),
    "grpo": grpo(loss_type="grpo"),
    "grpo, bnpo": grpo(loss_type="bnpo"),
    "grpo, dapo": grpo(loss_type="dapo"),
}
said = {}
with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
    for name, make in TRAINERS.items():
        found = audit_trainer(make(folder))
        said[name] = found.verdict.value, found.factor, " ".join(str(found).split())
    unread = trained(stock(kind=Hinge, max_steps=1)(folder))
    said["unknown loss"] = "read" if unread.found.alike else "", 1.0, ""
if os.environ["RANK"] == "0":
    json.dump(said, sys.stdout)
    sys.stdout.flush()
dist.barrier()
dist.destroy_process_group()
