"""Audit one accumulation step of a Hugging Face `Trainer`: your own trainer, model and data.

    from gradexplain.integrations.transformers import audit_trainer

    print(audit_trainer(trainer))
    trainer.train()

The audit runs the trainer up to its first optimiser step, and puts everything back.
"""

import contextlib
import copy
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook
from transformers import Trainer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback

from gradexplain.audit import Report
from gradexplain.integrations.torch import record
from gradexplain.integrations.torch_state import State

Inputs = Mapping[str, Any]
IGNORED = -100  # the label that the library's losses leave out


def audit_trainer(
    trainer: Trainer,
    count: Callable[[Inputs], float] | None = None,
    **options: Any,  # noqa: ANN401 - as audit_accumulation has them
) -> Report:
    """Run the trainer up to its first optimiser step, and audit what that step was handed.

    The step is stopped as it begins: no weight moves. Afterwards weights, buffers, gradients,
    random states, trainer and optimiser are what they were, bit for bit. Callbacks are not called
    and clipping is off. The data set is read from its start for one step; an iterator that can be
    read only once loses these examples.

    Args:
        trainer: in one process on one device. Its `compute_loss`, called without
            `num_items_in_batch`, must return the micro-batch's own mean.
        count: how many targets a micro-batch's mean is over. As a rule the labels that are not
            -100, without the first of each row if the model is a causal language model.
        options: passed on to `audit_accumulation`.

    Raises:
        ValueError: the trainer spreads its step over processes or devices, inputs without labels
            come without `count`, or a part cannot be computed again.
    """
    _check(trainer)
    batches: list[dict[str, Any]] = []
    options.setdefault("arithmetic", _arithmetic(trainer))
    with _as_before(trainer), record(trainer.model, trainer.accelerator.scaler) as step:
        step.arithmetic = options["arithmetic"]
        _prepare(trainer, batches)
        stopping = register_optimizer_step_pre_hook(_stop)
        try:
            trainer.train()
        except _StepError:
            pass
        finally:
            stopping.remove()
        counts = [(count or _counting(trainer))(batch) for batch in batches]
        return step.audit(lambda batch: _mean_loss(trainer, batch), batches, counts, **options)


class _StepError(Exception):
    """The optimiser is about to step: all has been seen."""


def _stop(*_: object) -> None:
    raise _StepError


def _check(trainer: Trainer) -> None:
    args = trainer.args
    sharded = trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled
    if args.world_size > 1 or args.n_gpu > 1 or sharded:
        raise ValueError(
            "trainer must run in one process on one device, unsharded, not with "
            f"world_size {args.world_size}, n_gpu {args.n_gpu}, DeepSpeed "
            f"{trainer.is_deepspeed_enabled}, FSDP {trainer.is_fsdp_enabled}"
        )


def _prepare(trainer: Trainer, batches: list[dict[str, Any]]) -> None:
    """Keep each micro-batch as it comes; switch off what would act or hide the averaging."""
    training_step = trainer.training_step

    def watched(model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        batches.append(dict(inputs))  # `compute_loss` may take entries out
        return training_step(model, inputs, *rest, **named)

    trainer.training_step = watched
    trainer.model_init = None  # the model as it is, not a new one
    trainer.args.max_grad_norm = 0.0
    trainer.args.eval_on_start = False
    trainer.callback_handler = CallbackHandler(
        [DefaultFlowCallback], trainer.model, None, trainer.optimizer, trainer.lr_scheduler
    )


def _mean_loss(trainer: Trainer, batch: Inputs) -> Tensor:
    inputs = trainer._prepare_inputs(dict(batch))  # noqa: SLF001 - as its training_step does
    with trainer.compute_loss_context_manager():
        return trainer.compute_loss(trainer.model_wrapped, inputs)


def _counting(trainer: Trainer) -> Callable[[Inputs], int]:
    model = trainer.accelerator.unwrap_model(trainer.model)
    causal = type(model).__name__ in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
    first = 1 if getattr(trainer, "_loss_shifts_labels", causal) else 0

    def count(batch: Inputs) -> int:
        if "labels" not in batch:
            raise ValueError(f"count must be given, for the inputs hold no labels: {sorted(batch)}")
        return int((batch["labels"][..., first:] != IGNORED).sum())

    return count


def _arithmetic(trainer: Trainer) -> str | None:
    return "bfloat16" if trainer.args.bf16 else "float16" if trainer.args.fp16 else None


@contextlib.contextmanager
def _as_before(trainer: Trainer) -> Iterator[None]:
    """Put model, trainer, accelerator, optimiser and random states back at the end."""
    model, accelerator = trainer.model, trainer.accelerator
    state, forwards = State(model), _forwards(model)
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one
    owners = [trainer, trainer.args, trainer.control, accelerator, accelerator.gradient_state]
    owners += [owner for owner in (accelerator.scaler, trainer.optimizer) if owner is not None]
    attributes = [{name: _shallow(value) for name, value in vars(o).items()} for o in owners]
    try:
        yield
    finally:
        noise = getattr(trainer, "neftune_hook_handle", None)
        if noise is not None and trainer.neftune_noise_alpha is not None:
            noise.remove()
        for owner, saved in zip(owners, attributes, strict=True):
            vars(owner).clear()
            vars(owner).update(saved)
        for name in _forwards(model):  # mixed precision wraps `forward` in place
            del vars(model)[name]
        vars(model).update(forwards)
        state.restore(model)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _forwards(model: torch.nn.Module) -> dict[str, Any]:
    return {
        name: vars(model)[name] for name in ("forward", "_original_forward") if name in vars(model)
    }


def _shallow(value: Any) -> Any:  # noqa: ANN401 - any attribute
    return copy.copy(value) if isinstance(value, list | dict) else value
