"""ViT with several labels for each image, under `Trainer`: every gradient is K times too large.

`Trainer` leaves the division by `gradient_accumulation_steps` to models with keyword arguments.
This one's loss for one class divides by `num_items_in_batch`, that for several labels does not.
"""

import tempfile

import torch
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification, set_seed

ROWS, STEPS = 8, 4
set_seed(0)
sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8}
sizes |= {"intermediate_size": 24, "patch_size": 4, "num_channels": 1, "num_labels": 3}
model = ViTForImageClassification(ViTConfig(**sizes))
batch = {"pixel_values": torch.randn(ROWS, 1, 8, 8), "labels": torch.rand(ROWS, 3).round()}
model(**batch).loss.backward()  # the mean over all rows
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
rows = [{name: values[k] for name, values in batch.items()} for k in range(ROWS)]
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(folder, save_strategy="no", disable_tqdm=True, **settings)
    Trainer(model, arguments, train_dataset=rows, optimizers=(recorder, None)).train()
given = torch.cat(recorder.found)
print(f"length of the step's gradient / the right one: {given.norm() / right.norm():.4f}")
print(f"gradient_accumulation_steps = {STEPS:.4f}")
