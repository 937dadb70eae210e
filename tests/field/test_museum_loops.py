"""The loops that the museum's page shows: run as shown, they do what the museum's own code does."""

import importlib
import inspect
import tomllib
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch.distributed as dist
from museum import worlds
from museum.exhibit import BUGS, Loop, Stage, about, names, play
from museum.vectors import vector
from torch.nn.parallel import DistributedDataParallel

from field.tiny import CatchingSGD
from field.workers import told_by
from sitebuild import loops

# The museum's own loops log a loss as people do.
pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
TOLD = tomllib.loads((BUGS.parent / "told.toml").read_text(encoding="utf-8"))["bugs"]
SHOWN = [name for name in names() if "def before(" in (BUGS / f"{name}.py").read_text("utf-8")]
ALONE = [name for name in SHOWN if about(name).workers == 1]
TOGETHER = [name for name in SHOWN if about(name).workers > 1]


def as_shown(name: str, rank: int, *, right: bool, spoiled: bool = False) -> Any:
    """Run a loop as the page shows it; return the gradient that its optimizer got."""
    module, known = importlib.import_module(f"museum.bugs.{name}"), about(name)
    lines = loops.shown((BUGS / f"{name}.py").read_text(encoding="utf-8"), TOLD[name])
    world = worlds.make(known.world, "float32")
    model = world.model()
    net = DistributedDataParallel(model) if known.ddp else model
    optimizer = CatchingSGD(model)
    batches = world.batches[rank] if known.workers > 1 else world.batches[0]
    loop = Loop(model, optimizer, batches, untapped, net, rank, known.workers, world)
    given = {**vars(worlds), **vars(module), **helpers(module, loop)}
    given |= {"model": net, "optimizer": optimizer, "batches": batches, "batch": batches[0]}
    given |= {"steps": loop.steps, "workers": loop.workers, "everywhere": loop.everywhere}
    code = loops.side(lines, "+" if right else "-")
    exec(code.replace("backward()", "mul(2).backward()") if spoiled else code, given)  # noqa: S102
    return vector(optimizer.handed[-1])


def helpers(module: Any, loop: Loop) -> dict[str, Any]:
    """Return the module's helpers without the loop, which the page does not show."""
    found: dict[str, Any] = {"rest": loop.world.rest}
    for name, helper in inspect.getmembers(module, inspect.isfunction):
        places = list(inspect.signature(helper).parameters)
        if places[:1] == ["loop"]:
            found[name] = partial(helper, loop)
        elif "loop" in places:
            found[name] = partial(helper, loop=loop)
    return found


def untapped(loss: Any, *_: Any, **__: Any) -> Any:
    return loss


def same(name: str, rank: int, workers: int, *, right: bool) -> bool:
    handed = vector(play(name, Stage(rank=rank, workers=workers), right=right).handed[0])
    return bool(np.allclose(as_shown(name, rank, right=right), handed, rtol=1e-5, atol=1e-7))


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("name", ALONE)
def test_what_is_shown_is_what_was_run(name: str, right: bool) -> None:  # noqa: FBT001
    assert same(name, 0, 1, right=right)


def _together(number: int) -> dict[str, bool]:
    return {
        f"{name} {right}": same(name, dist.get_rank(), number, right=right)
        for name in TOGETHER
        for right in (False, True)
    }


def test_it_is_on_two_workers_too() -> None:
    found = told_by(2, _together)
    assert len(found[0]) == 2 * len(TOGETHER) >= 20
    assert [name for told in found for name, alike in told.items() if not alike] == []


def test_another_loop_would_be_noticed() -> None:
    handed = vector(play("nanochat_sft", Stage(), right=False).handed[0])
    spoiled = as_shown("nanochat_sft", 0, right=False, spoiled=True)
    assert not np.allclose(spoiled, handed, rtol=1e-5, atol=1e-7)
