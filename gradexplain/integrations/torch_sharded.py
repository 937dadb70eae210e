"""Parameters of which each worker holds a shard: those of FSDP2 (`fully_shard`), and DTensors.

FSDP2 gathers a whole parameter for each forward pass. To that one a backward pass adds; its
gradients are reduced, and the optimizer is handed each worker's shard of the result. Sketches are
linear, so those of all shards, each at its place in the whole, add up to the sketch of the whole.

Tested with torch 2.13.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from gradexplain.integrations.torch_readers import Hook

TWICE = "its parameters are sharded along several dimensions of a mesh"


class Shards:
    """Where a model's sharded parameters are whole, and what of a gradient a worker holds."""

    def __init__(self, models: Sequence[nn.Module], parameters: Mapping[str, Tensor]) -> None:
        """Find out which parameters FSDP manages."""
        self._sharded = {id(weight) for weight in parameters.values()}
        self._modules = [one for root in models for one in root.modules()]
        managed = {
            id(weight)
            for one in self._modules
            if isinstance(one, FSDPModule)
            for weight in one.parameters()
            if isinstance(weight, DTensor)
        }
        self.managed = {name for name, weight in parameters.items() if id(weight) in managed}
        self._names = {id(parameters[name]): name for name in self.managed}
        every = [one for one in parameters.values() if isinstance(one, DTensor)]
        kinds = {_dimensions(weight) for weight in every}
        #: Why the gradients can't be followed to the optimizer.
        self.obstacle = TWICE if any(len(kind) > 1 for kind in kinds) else ""
        apart = [one for one in every if id(one) not in managed and _dimensions(one)]
        #: How many ranks hold a parameter together that FSDP does not manage.
        self.parallel = max(
            (one.device_mesh.size(k) for one in apart for k in _dimensions(one)), default=1
        )
        self.holders = self._holders([parameters[name] for name in self.managed])

    def part(self, name: str, gradient: Tensor) -> Tensor:
        """Return what this worker holds of a gradient, at its place in the whole."""
        if not isinstance(gradient, DTensor):
            return gradient
        local = gradient.to_local()
        if name not in self.managed or not _dimensions(gradient):
            return local
        (along,) = _dimensions(gradient)
        dim = gradient.placements[along].dim
        size = ceil(gradient.shape[dim] / gradient.device_mesh.size(along))
        start = min(size * gradient.device_mesh.get_local_rank(along), gradient.shape[dim])
        whole = local.new_zeros(gradient.shape)
        whole.narrow(dim, start, local.shape[dim]).copy_(local)
        return whole

    @contextlib.contextmanager
    def gathered(self, found: Callable[[str, Tensor], None]) -> Iterator[None]:
        """Call `found` with each parameter that FSDP gathers, once."""
        waiting = {
            (one, own): self._names[id(weight)]
            for one in self._modules
            for own, weight in one.named_parameters(recurse=False)
            if id(weight) in self._names
        }

        def look(*_: object) -> None:
            for (module, own), name in list(waiting.items()):
                weight = getattr(module, own)
                if id(weight) not in self._sharded:
                    del waiting[module, own]
                    found(name, weight)

        with contextlib.ExitStack() as hooks:
            for one in self._modules:
                if isinstance(one, FSDPModule):
                    # FSDP's own hook is before this one: it puts itself before all others.
                    hooks.callback(one.register_forward_pre_hook(Hook(look)).remove)
            yield

    def _holders(self, weights: Sequence[Tensor]) -> tuple[int, ...]:
        """Return the workers whose shards make the whole; none if each has it."""
        found = {
            tuple(dist.get_process_group_ranks(weight.device_mesh.get_group(along)))
            for weight in weights
            for along in _dimensions(weight)
        }
        if len(found) > 1:
            self.obstacle = "its parameters are sharded over several groups of workers"
        return next(iter(found), ())


def reshard(root: nn.Module) -> None:
    """Let FSDP take back the parameters that an earlier pass left gathered."""
    for one in root.modules():
        if isinstance(one, FSDPModule):
            one.reshard()


def _dimensions(weight: Tensor) -> tuple[int, ...]:
    """Return the dimensions of the mesh along which it is sharded."""
    return tuple(k for k, one in enumerate(weight.placements) if one.is_shard())
