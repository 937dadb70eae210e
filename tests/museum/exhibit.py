"""What an exhibit is, and the stage that its loops run on.

An exhibit is a module under `bugs/` with an `ABOUT`, made of literals, so that it can be read
without importing the package that it runs. A *reduction* has `before(loop)` and `after(loop)`, in
plain torch; one that runs the *real package* has `play(stage, right=...)` instead.
"""

import ast
import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BUGS = Path(__file__).parent / "bugs"


@dataclass(frozen=True)
class About:
    """What is known of a report without running it."""

    project: str
    averaged: str  # what was averaged, in a few words
    address: str
    reported: str  # the day of the report
    state: str  # as the stored page shows it
    seen: str  # the day that was looked up
    kind: str  # the class, as the judge spells it
    reduces: str = ""  # the function that a reduction repeats, and its version; "" if it is real
    real: str = ""  # the package that is run, and both versions; "" if it is a reduction
    factor: float | None = None  # common to all weights, where the class has one
    clip: float = 0.0  # the norm that the right version clips the gradient to
    term: str = ""  # the term of the loss that is off, where there are several
    world: str = "sequences"  # the model and the data of a reduction
    workers: int = 1
    ddp: bool = False  # whether the stage wraps the model
    before: str = "now"  # the environment, with overlays: "now+lightly-1.5.25"
    after: str = "now"
    remark: str = ""

    def environment(self, *, right: bool) -> str:
        """Return the environment, and its overlays, that a version needs."""
        return self.after if right else self.before


def about(name: str) -> About:
    """Read what is known of an exhibit, without importing it."""
    if name.startswith("right: "):
        from museum import controls

        return controls.about(name)
    tree = ast.parse((BUGS / f"{name}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ABOUT":
            assert isinstance(node.value, ast.Call)
            given = {str(k.arg): ast.literal_eval(k.value) for k in node.value.keywords}
            return About(**given)
    raise ValueError(f"{name} has no ABOUT")


def names() -> list[str]:
    """Name the exhibits."""
    return sorted(path.stem for path in BUGS.glob("[!_]*.py"))


@dataclass(frozen=True)
class Side:
    """A further term of the loss: a part's own losses, and the weight the term should have."""

    each: Callable[[Any, Any], Any]
    weight: float


@dataclass
class Played:
    """What a step did: the gradient its optimizer got, and what to hold it against.

    `each` gives the loss of every target of a micro-batch, whose mean the step should be; `part`
    the micro-batch's own loss, where that is no mean of those; `whole` the loss of all
    micro-batches together, where that is no mean of all targets.
    """

    model: Any
    batches: Sequence[Any]  # of all workers, in their order
    each: Callable[[Any, Any], Any] | None = None
    part: Callable[[Any, Any], Any] | None = None
    whole: Callable[[Any, Sequence[Any]], Any] | None = None
    counts: Sequence[float] | None = None
    sides: Mapping[str, Side] = field(default_factory=dict)
    groups: Sequence[int] | None = None
    ready: bool = False  # whether the micro-batches are their gradients already
    extra: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    clip: float = 0.0
    owner: Callable[[Any, Any], Any] | None = None  # a part's loss as its owner would compute it
    gradient: Callable[[Callable[[], Any]], Any] | None = None  # of a loss, in other frameworks
    handed: Sequence[Any] = ()  # what each worker's optimizer got
    loss: float | None = None  # what the loop would log: the sum of what it differentiated
    report: Any = None  # what watching said


@dataclass
class Stage:
    """How a loop is run: in which arithmetic, on which worker, watched or only caught."""

    dtype: str = "float32"
    watching: bool = False
    rank: int = 0
    workers: int = 1
    report: Any = None
    handed: Any = None
    losses: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def window(
        self, model: Any, optimizer: Any = None, **options: Any
    ) -> Iterator[Callable[..., Any]]:
        """Watch a step, or only note what its losses were; yield the tap."""
        if not self.watching:
            with _noting(self.losses):
                yield lambda loss, *_, **__: loss
            return
        from gradexplain.integrations.torch import watch

        with watch(model, optimizer, **options) as step:
            yield step.tap
        self.report = step.report()


@contextlib.contextmanager
def _noting(losses: list[float]) -> Iterator[None]:
    """Note the value of each scalar that is differentiated."""
    import torch

    backward = torch.Tensor.backward

    def noted(self: Any, *arguments: Any, **options: Any) -> Any:
        if self.ndim == 0:
            losses.append(float(self.detach()))
        return backward(self, *arguments, **options)

    torch.Tensor.backward = noted
    try:
        yield
    finally:
        torch.Tensor.backward = backward


@dataclass
class Loop:
    """What a reduction has at hand: the names that people use in their loops."""

    model: Any
    optimizer: Any
    batches: Sequence[Any]
    tap: Callable[..., Any]
    net: Any = None  # the model, wrapped by DistributedDataParallel where there are workers
    rank: int = 0
    workers: int = 1
    world: Any = None
    logged: list[float] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """The number of micro-batches in the window."""
        return len(self.batches)

    def log(self, loss: Any) -> None:
        """Log a loss, where that is not what is differentiated."""
        self.logged.append(float(loss))

    def everywhere(self, number: float) -> float:
        """Add a number up over the workers."""
        if self.workers == 1:
            return number
        import torch
        import torch.distributed as dist

        total = torch.tensor(float(number), dtype=torch.float64)
        dist.all_reduce(total)
        return float(total)


def play(name: str, stage: Stage, *, right: bool) -> Played:
    """Run one version of an exhibit, or a control."""
    if name.startswith("right: "):
        from museum import controls

        played = controls.play(name, stage)
        return _completed(played, stage)
    module: Any = importlib.import_module(f"museum.bugs.{name}")
    if hasattr(module, "play"):
        played = module.play(stage, right=right)
    else:
        played = _reduced(module, stage, right=right)
    return _completed(played, stage)


def _completed(played: Played, stage: Stage) -> Played:
    """Add what the stage caught."""
    played.handed = [stage.handed] if not played.handed else played.handed
    played.loss = sum(stage.losses) if stage.losses else None
    played.report = stage.report
    return played


def _reduced(module: Any, stage: Stage, *, right: bool) -> Played:
    from field.tiny import CatchingSGD

    from museum import worlds

    known: About = module.ABOUT
    world = worlds.make(known.world, stage.dtype)
    model = world.model()
    net = model
    if known.ddp:
        from torch.nn.parallel import DistributedDataParallel

        net = DistributedDataParallel(model)
    optimizer = CatchingSGD(model)
    batches = [batch for mine in world.batches for batch in mine]
    groups = [rank for rank, mine in enumerate(world.batches) for _ in mine]
    mine = world.batches[stage.rank] if known.workers > 1 else world.batches[0]
    loop = Loop(
        model, optimizer, mine, lambda loss, *_, **__: loss, net, stage.rank, known.workers, world
    )
    if hasattr(module, "prior"):
        module.prior(loop, right=right)
    with stage.window(net, optimizer) as loop.tap:
        (module.after if right else module.before)(loop)
    stage.handed = optimizer.handed[-1]
    stage.losses = loop.logged or stage.losses
    shown = [k for k, batch in enumerate(batches) if world.valid(batch)]
    return Played(
        model,
        [batches[k] for k in shown],
        each=world.each,
        part=world.part,
        whole=world.whole,
        sides=world.sides,
        groups=[groups[k] for k in shown] if known.workers > 1 else None,
        extra=world.extra,
        clip=known.clip,
        owner=None if right else world.owner,
    )
