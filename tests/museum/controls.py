"""Loops that are right: in four arithmetics, with few and many micro-batches, in frameworks."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from museum.exhibit import About, Loop, Played, Side, Stage

PREFIX = "right: "


@dataclass(frozen=True)
class Control:
    """How a right loop is written, what it computes in, and how many micro-batches it has."""

    style: str
    arithmetic: str = "float32"
    steps: int = 4
    workers: int = 1
    framework: str = ""


STYLES = "shares", "sums", "unreduced", "one backward", "clipped", "checkpointed"
ARITHMETICS = "float32", "bfloat16 model", "autocast to bfloat16", "float16 with a scaler"
_LOOPS = (
    *(Control(style, arithmetic) for arithmetic in ARITHMETICS for style in STYLES),
    *(Control("shares", steps=steps) for steps in (1, 2, 8, 16)),
    *(Control("shares", arithmetic, 16) for arithmetic in ARITHMETICS[1:]),
    Control("equal batches over K"),
    Control("two terms"),
    Control("cached contrastive loss"),
    *(Control("global count", arithmetic, 2, 2) for arithmetic in ARITHMETICS[:3]),
    Control("variable size", framework="accelerate"),
    Control("variable size", framework="accelerate in bf16"),
    Control("sum over targets", framework="optax"),
    Control("psum", framework="jax"),
)


def _named(control: Control) -> str:
    said = [control.framework, control.style, control.arithmetic, f"K = {control.steps}"]
    said += [f"{control.workers} workers"] * (control.workers > 1)
    return PREFIX + ", ".join(filter(None, said))


CONTROLS = {_named(control): control for control in _LOOPS}


def about(name: str) -> About:
    """Return what an exhibit's `ABOUT` says, of a control."""
    control = CONTROLS[name]
    return About(
        project="control",
        averaged=name.removeprefix(PREFIX),
        address="",
        reported="",
        state="",
        seen="",
        kind="exact",
        real=control.framework,
        workers=control.workers,
        ddp=control.workers > 1,
    )


def play(name: str, stage: Stage) -> Played:
    """Run a control."""
    control = CONTROLS[name]
    if control.framework in ("optax", "jax"):
        return _captured(control.framework)
    from field.tiny import CatchingSGD

    from museum import worlds

    world = _world(control, worlds)
    model = world.model()
    if control.arithmetic == "bfloat16 model":
        model = model.bfloat16()
        world.batches = [[(x.bfloat16(), y) for x, y in mine] for mine in world.batches]
    net = model
    if control.workers > 1:
        from torch.nn.parallel import DistributedDataParallel

        net = DistributedDataParallel(model)
    optimizer: Any = CatchingSGD(model)
    if control.framework:
        _accelerated(stage, control, model, optimizer, world)
    else:
        with stage.window(net, optimizer) as tap:
            mine = world.batches[stage.rank]
            loop = Loop(model, optimizer, mine, tap, net, stage.rank, control.workers, world)
            step(loop, control)
            stage.losses = loop.logged
    stage.handed = optimizer.handed[-1]
    return Played(
        model,
        [batch for mine in world.batches for batch in mine],
        each=None if world.each is None else _in(control, world.each),
        part=None if world.part is None else _in(control, world.part),
        whole=None if world.whole is None else _in(control, world.whole),
        sides={name: Side(_in(control, s.each), s.weight) for name, s in world.sides.items()},
        groups=[r for r, m in enumerate(world.batches) for _ in m] if control.workers > 1 else None,
        clip=CLIP if control.style == "clipped" else 0.0,
    )


CLIP = 0.05
_LENGTHS = 10, 3, 7, 4, 12, 5, 9, 6, 3, 8, 11, 4, 6, 10, 5, 7


def _world(control: Control, worlds: Any) -> Any:
    named = {
        "equal batches over K": "even images",
        "two terms": "penalized",
        "cached contrastive loss": "pairs",
    }
    if control.style in named:
        return worlds.make(named[control.style], "float32")
    if control.workers > 1:
        return worlds.make("two workers", "float32")
    return worlds.sequences(_LENGTHS[: control.steps])


def step(loop: Loop, control: Control) -> None:
    """Run one window, as its style has it."""
    import torch

    scaler = None
    if control.arithmetic == "float16 with a scaler":
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaled: Callable[[Any], Any] = (lambda loss: loss) if scaler is None else scaler.scale
    total = _window(loop, control)
    losses = []
    for k, batch in enumerate(loop.batches):
        with _precision(control):
            loss = _share(loop, control, k, batch, total)
        cached = control.style == "cached contrastive loss"
        loop.log(loss / loop.steps if cached else loss)
        if control.style == "one backward":
            losses.append(loss)
        else:
            scaled(loss).backward()
    if losses:
        scaled(sum(losses)).backward()
    if control.style == "clipped":
        if scaler is not None:
            scaler.unscale_(loop.optimizer)
        torch.nn.utils.clip_grad_norm_(loop.model.parameters(), CLIP)
    if scaler is None:
        loop.optimizer.step()
    else:
        scaler.step(loop.optimizer)
        scaler.update()


def _window(loop: Loop, control: Control) -> float:
    from museum.worlds import count

    if control.style == "cached contrastive loss":
        return 1.0
    return loop.everywhere(sum(map(count, loop.batches))) / loop.workers


def _share(  # noqa: PLR0911 - one line a style
    loop: Loop, control: Control, k: int, batch: Any, total: float
) -> Any:
    """Return what a micro-batch adds to the loss of the window."""
    from museum import worlds

    n = worlds.count(batch)
    if control.style in ("sums", "global count"):
        loss = loop.tap(worlds.sum_loss(loop.net, batch), targets=n, reduction="sum")
        return loss / total
    if control.style == "unreduced":
        losses = loop.tap(worlds.token_losses(loop.net, batch))
        return (losses * (batch[1].flatten() != worlds.IGNORED)).sum() / total
    if control.style == "checkpointed":
        loss = worlds.mean_loss(_checkpointed(loop.net), batch)
        return loop.tap(loss, targets=n) * n / total
    if control.style == "equal batches over K":
        return loop.tap(worlds.mean_loss(loop.net, batch), targets=n) / loop.steps
    if control.style == "two terms":
        loss = loop.tap(worlds.mean_loss(loop.net, batch), targets=n)
        r1 = loop.tap(worlds.penalty(loop.net, batch).mean(), n, term="r1", weight=0.5)
        return (loss + 0.5 * r1) / loop.steps
    if control.style == "cached contrastive loss":
        return _cached(loop, k)
    return loop.tap(worlds.mean_loss(loop.net, batch), targets=n) * n / total


def _checkpointed(net: Any) -> Callable[[Any], Any]:
    from torch.utils.checkpoint import checkpoint

    return lambda x: net[2](checkpoint(net[:2], x, use_reentrant=False))


def _cached(loop: Loop, k: int) -> Any:
    """Return the whole batch's contrastive loss, with the k-th micro-batch's features alone alive.

    open_clip accumulates so; whether it should divide is asked in its issue 761. It should not.
    """
    import torch
    import torch.nn.functional as F

    def features(which: int) -> Any:
        x, _ = loop.batches[which]
        with contextlib.nullcontext() if which == k else torch.no_grad():
            both = loop.net(x), loop.net(x.flip(-1))
        return [F.normalize(one, dim=-1) for one in both]

    one, other = (torch.cat(side) for side in zip(*map(features, range(loop.steps)), strict=True))
    loss = F.cross_entropy(5 * one @ other.T, torch.arange(len(one)))
    return loop.tap(loss, targets=len(one))


@contextlib.contextmanager
def _precision(control: Control) -> Iterator[None]:
    import torch

    kinds = {
        "autocast to bfloat16": torch.bfloat16,
        "float16 with a scaler": torch.float16,
    }
    if control.framework == "accelerate in bf16":
        kinds[control.arithmetic] = torch.bfloat16
    if control.arithmetic not in kinds:
        yield
        return
    with torch.autocast("cpu", dtype=kinds[control.arithmetic]):
        yield


def _in(control: Control, loss: Callable[..., Any]) -> Callable[..., Any]:
    """Return a loss that is computed in the control's arithmetic."""

    def computed(*given: Any) -> Any:
        with _precision(control):
            return loss(*given)

    return computed


def _accelerated(stage: Stage, control: Control, model: Any, optimizer: Any, world: Any) -> None:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    from museum.worlds import count, mean_loss

    AcceleratorState._reset_state()  # noqa: SLF001 - one process has one precision, otherwise
    GradientState._reset_state()  # noqa: SLF001 - a Trainer before leaves its own number of steps
    options = {"mixed_precision": "bf16"} if control.framework.endswith("bf16") else {}
    steps = control.steps
    accelerator = Accelerator(gradient_accumulation_steps=steps, cpu=True, **options)
    prepared, stepping = accelerator.prepare(model, optimizer)
    total = sum(map(count, world.batches[0]))
    with stage.window(prepared, stepping) as tap:
        for batch in world.batches[0]:
            with accelerator.accumulate(prepared):
                n = count(batch)
                with accelerator.autocast():
                    loss = tap(mean_loss(prepared, batch), targets=n)
                accelerator.backward(loss * n * steps / total)
                stepping.step()
                stepping.zero_grad()


def _captured(framework: str) -> Played:
    """Return what a case of the field report caught, in a framework that is not PyTorch."""
    from field.cases import jax_devices, optax_multi_steps

    caught = jax_devices.psum() if framework == "jax" else optax_multi_steps.sum_over_targets()
    return Played(
        None,
        list(caught.parts),
        counts=caught.counts,
        ready=True,
        handed=[caught.accumulated],
    )
