"""GPT-2 under `Trainer`: every gradient is too small by the share of labels that nothing predicts.

GPT-2's loss predicts all labels of a row but the first, and divides by `num_items_in_batch`, which
counts the first ones too. Short rows feel it most. This needs transformers and PyTorch, no more.
"""

import tempfile

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

ROWS, TOKENS, STEPS = 8, 12, 4
set_seed(0)
sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "vocab_size": 50, "n_positions": TOKENS}
model = GPT2LMHeadModel(GPT2Config(**sizes, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))
rows = [{"input_ids": row, "labels": row} for row in torch.randint(50, (ROWS, TOKENS))]

batch = torch.stack([row["labels"] for row in rows])
model(input_ids=batch, labels=batch).loss.backward()  # the mean over all targets
right = torch.cat([weight.grad.flatten() for weight in model.parameters()])
model.zero_grad()


class Recorder(torch.optim.SGD):
    """Keep the gradient of the step."""

    def step(self, closure=None):
        self.found = [weight.grad.flatten() for weight in self.param_groups[0]["params"]]
        return super().step(closure)


recorder = Recorder(model.parameters(), lr=1e-3)
settings = {"per_device_train_batch_size": ROWS // STEPS, "gradient_accumulation_steps": STEPS}
settings |= {"max_steps": 1, "max_grad_norm": 0.0, "report_to": [], "use_cpu": True}
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(folder, save_strategy="no", disable_tqdm=True, **settings)
    Trainer(model, arguments, train_dataset=rows, optimizers=(recorder, None)).train()
given = torch.cat(recorder.found)
print(f"length of the step's gradient / the right one: {given.norm() / right.norm():.4f}")
print(f"targets / labels counted: {ROWS * (TOKENS - 1)} / {ROWS * TOKENS} = {1 - 1 / TOKENS:.4f}")
