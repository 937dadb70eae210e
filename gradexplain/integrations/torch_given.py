"""What the user of `watch` and `tap` gave: checked, and in the form that the rest works with."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from math import isfinite
from numbers import Real
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Models: TypeAlias = nn.Module | Sequence[nn.Module]
_TENSORS = "torch.distributed.tensor"  # of sharded parameters; they have imported it
_FLAT = "FullyShardedDataParallel"


def check_reduction(loss: Tensor, reduction: object) -> None:
    """Check that the loss can be a sum, if it is said to be one.

    Raises:
        ValueError: it can't, or the reduction is unknown.
    """
    if reduction not in ("mean", "sum"):
        raise ValueError(f'reduction must be "mean" or "sum", not {reduction!r}')
    if reduction == "sum" and loss.ndim:
        raise ValueError(
            f'reduction must be "mean", which is ignored, for a loss of shape {tuple(loss.shape)}, '
            'not "sum": tap the targets\' own losses, or their sum, a scalar'
        )


def check_term(term: object, weight: object) -> None:
    """Check the name of a term and its intended weight.

    Raises:
        TypeError: they are not a string and a number.
        ValueError: the name is empty, or the weight is 0 or not finite.
    """
    if not isinstance(term, str):
        raise TypeError(f"term must be a string, not {type(term).__name__}")
    if not term:
        raise ValueError("term must be a name, not an empty string")
    if weight is None:
        return
    if isinstance(weight, bool) or not isinstance(weight, Real):
        raise TypeError(f"weight must be a number or None, not {type(weight).__name__}")
    if not isfinite(weight) or weight == 0:
        raise ValueError(f"weight must be finite and not 0, not {float(weight):g}")


def counted(loss: Tensor, targets: Any) -> tuple[float | Tensor | None, Tensor | None]:  # noqa: ANN401 - checked
    """Return the count of targets, and which they are."""
    if targets is None:
        return None, None
    if isinstance(targets, Tensor) and targets.dtype == torch.bool:
        if loss.ndim and targets.shape != loss.shape:
            raise ValueError(
                f"targets must have the loss's shape, {tuple(loss.shape)}, "
                f"not {tuple(targets.shape)}"
            )
        return targets.sum(), targets.detach() if loss.ndim else None
    wanted = "targets must be a number, or a mask of those that count (labels != -100)"
    if isinstance(targets, Tensor) and targets.ndim:
        kind = str(targets.dtype).removeprefix("torch.")
        raise TypeError(f"{wanted}, of dtype bool, not a tensor of dtype {kind}")
    if isinstance(targets, bool | str | bytes):
        raise TypeError(f"{wanted}, not {type(targets).__name__}")
    if loss.ndim:
        raise ValueError(
            f"targets must be a mask of the loss's shape, {tuple(loss.shape)}, or left out, for a "
            "loss that is not a scalar, not a number: tap a mean or a sum as a scalar"
        )
    if isinstance(targets, Tensor):
        return targets.detach(), None
    try:
        count = float(targets)
    except (TypeError, ValueError):
        raise TypeError(f"{wanted}, not {type(targets).__name__}") from None
    if not 0 <= count < float("inf"):
        raise ValueError(f"targets must be finite and at least 0, not {count:g}")
    return count, None


def expected(expect: object) -> object:
    """Return what is expected: "target", "part", or weights.

    Raises:
        ValueError: it is another word, or not weights.
    """
    wanted = 'expect must be "target", "part" or a weight for each tapped loss'
    if isinstance(expect, str) and expect not in {"target", "part"}:
        raise ValueError(f"{wanted}, not {expect!r}")
    if isinstance(expect, str):
        return expect
    try:
        weights = [float(weight) for weight in expect]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ValueError(f"{wanted}, not {expect!r}") from None
    if not all(map(isfinite, weights)) or not any(weights):
        raise ValueError(f"expect must be finite and not all 0, not {weights}")
    return weights


def check_concerned(optimizers: Sequence[Any], parameters: Mapping[str, Tensor]) -> None:
    """Check that each optimizer holds some of the parameters.

    Raises:
        ValueError: one holds none.
    """
    known = {id(weight) for weight in parameters.values()}
    for one in optimizers:
        groups = getattr(one, "param_groups", ())
        if not any(id(weight) in known for group in groups for weight in group["params"]):
            raise ValueError(
                "optimizer must hold some of the model's parameters that require a gradient, "
                f"but {type(one).__name__} holds none of them"
            )


def trained(model: Models) -> dict[str, Tensor]:
    """Return the parameters that are trained, by name.

    Raises:
        TypeError: the model is not a module.
        ValueError: there is none, or FSDP1 holds them.
    """
    if model is None:
        raise TypeError("model must be a module, or several, not None")
    several = len(listed(model)) > 1
    found: dict[str, Tensor] = {}
    for k, one in enumerate(listed(model)):
        if not isinstance(one, nn.Module):
            raise TypeError(f"model must be a module, or several, not {type(one).__name__}")
        if any(type(module).__name__ == _FLAT for module in one.modules()):
            raise ValueError(
                f"model must hold whole parameters, or those of `fully_shard`, but {_FLAT} (FSDP1) "
                "flattens them: let each worker sketch its shards, and audit the sum of the "
                "sketches"
            )
        if _TENSORS in sys.modules:  # what an earlier pass left gathered, is no one's parameter
            torch_sharded().reshard(one)
        named = one.named_parameters()
        prefix = f"{k}." if several else ""
        found |= {prefix + name: weight for name, weight in named if weight.requires_grad}
    if not found:
        raise ValueError("model must have a parameter that requires a gradient")
    return found


def embeddings(model: Models, parameters: Mapping[str, Tensor]) -> set[str]:
    """Name the parameters of which a batch may use a few rows."""
    weights = {
        id(module.weight)
        for one in listed(model)
        for module in one.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag)
    }
    return {name for name, weight in parameters.items() if id(weight) in weights}


def shards_of(model: Models, parameters: Mapping[str, Tensor], peers: Sequence[int]) -> Any:  # noqa: ANN401 - Shards
    """Return where sharded parameters are whole; None if there are none.

    Raises:
        ValueError: they are sharded over ranks of which nobody said that they work together.
    """
    if not any(type(weight).__name__ == "DTensor" for weight in parameters.values()):
        return None
    shards = torch_sharded().Shards(listed(model), parameters)
    if shards.parallel > len(peers):
        raise ValueError(
            f"replicas must be given for parameters that {shards.parallel} ranks hold together, as "
            f"under tensor parallelism: replicas={shards.parallel}, not {len(peers)}, if these "
            "ranks are neighbors, or their process group"
        )
    return shards


def torch_sharded() -> Any:  # noqa: ANN401 - a module
    """Return the module for sharded parameters; its imports take seconds where nobody needs it."""
    return importlib.import_module("gradexplain.integrations.torch_sharded")


def listed(given: Any) -> list[Any]:  # noqa: ANN401 - one or several
    """Return what may be one thing, several or none, as a list."""
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]
