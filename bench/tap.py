"""What watching a step costs: only taps, taps with the path, and both beside a clip by norm.

python -m bench.tap [--tokens 1024] [--rounds 3] [--threads 1]

It needs PyTorch. A transformer of 10 million parameters takes steps of eight micro-batches. Two
measures, since a busy machine spoils the second one first:

inside: the time spent in the watch's own functions, beside the rest of the same step.
whole: a watched step beside a bare one, in mirrored turns (bare, taps, path, path, taps, bare).

With one thread it is time of the processor, with more of the wall. The medians are printed, and
beside each the least and the most of the rounds.

The time inside is also given in dot products of the parameters with themselves, which are timed
between the passes of the bare steps: with the same cold caches. What the path keeps is counted in
bytes: sketches, factors, and the most that waits to become a sketch.
"""

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from gradexplain.integrations import torch as integration
from gradexplain.integrations.torch_path import Path
from gradexplain.integrations.torch_sketch import Sketcher
from gradexplain.integrations.torch_taps import Taps

WIDTH, LAYERS, HEADS, VOCABULARY, LENGTH = 320, 6, 5, 4096, 256
K = 8
BOUND = 0.01  # of the clip: always below the gradient's norm

#: By whether there is a clip: whether nothing is watched, the taps, or the path, too.
VERSIONS = {
    False: ("bare", "taps", "taps and path"),
    True: ("bare", "taps and path"),
}
#: Functions of the watch that run inside the step, and those that make its hooks.
CALLED = (
    (Path, "_before_step"),
    (Path, "_land"),
    (Path, "_after_step"),
    (Path, "clipped"),
    (integration.Step, "tap"),
    (integration.Step, "_begin"),
    (integration.Step, "_end"),
)
MAKERS = ((Path, "_arriving"), (Taps, "_reader"))
Function = Callable[..., Any]
Spread = list[float]


class Model(nn.Module):
    """A small transformer that predicts the next token."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Embedding(LENGTH, WIDTH)
        self.body = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.words(tokens) + self.places.weight
        mask = nn.Transformer.generate_square_subsequent_mask(LENGTH)
        return self.head(self.body(hidden, mask=mask, is_causal=True))


class Meter:
    """A clock for functions that may call each other: the outermost one's time counts."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.seconds, self.clock = 0.0, clock
        self._running = False

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        if self._running:
            yield
            return
        self._running, start = True, self.clock()
        try:
            yield
        finally:
            self.seconds += self.clock() - start
            self._running = False

    def timed(self, function: Function) -> Function:
        def call(*arguments: Any, **named: Any) -> Any:
            with self.running():
                return function(*arguments, **named)

        return call

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Time what the watch does in a step, but for what it does at the window's two ends."""
        with contextlib.ExitStack() as originals:
            for owner, name in CALLED + MAKERS:
                function = getattr(owner, name)
                originals.callback(setattr, owner, name, function)
                making = (owner, name) in MAKERS
                setattr(owner, name, self._maker(function) if making else self.timed(function))
            yield

    def _maker(self, make: Function) -> Function:
        return lambda *arguments: self.timed(make(*arguments))


class Loop:
    """One model and its data, and a step of it, watched or not."""

    def __init__(self, tokens: int, clock: Callable[[], float]) -> None:
        torch.manual_seed(0)
        self.model, self.tokens, self.clock = Model(), tokens, clock
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.dots: list[float] = []  # seconds of one dot product of the parameters, by bare step
        self.batches = [torch.randint(VOCABULARY, (tokens // LENGTH, LENGTH + 1)) for _ in range(K)]

    def step(self, version: str, *, clip: bool) -> tuple[float, float]:
        """Take a step; return the seconds it took, and those of the watch in it."""
        meter, dots, start = Meter(self.clock), Meter(self.clock), self.clock()
        if version != "bare":
            self._watched(meter, path=version != "taps", clip=clip)
            return self.clock() - start, meter.seconds
        self._step(lambda loss, **_: loss, clip=clip, between=dots.timed(self._dot_products))
        self.dots.append(dots.seconds / K)
        return self.clock() - start - dots.seconds, 0.0

    def memory(self) -> float:
        """Return the megabytes that the path keeps, at most, in one step."""
        waiting = 0
        settle = Sketcher.settle

        def counted(sketcher: Any) -> None:
            nonlocal waiting
            waiting = max(waiting, sum(_bytes(short) for _, short in sketcher._waiting))  # noqa: SLF001
            settle(sketcher)

        Sketcher.settle = counted  # type: ignore[method-assign,assignment]
        try:
            with integration.watch(self.model, self.optimizer) as step:
                self._step(step.tap, clip=False)
        finally:
            Sketcher.settle = settle  # type: ignore[method-assign]
        step.report()
        path = step._path  # noqa: SLF001 - it is what is measured
        added = [one for each in path.passes for some in each.added.values() for one in some]
        handed = [one for each in path.handed for one in each.sketches.values()]
        kept = sum(_bytes(one.numbers) for one in added + handed)
        factors = sum(map(_bytes, path._sketch._factors.values()))  # noqa: SLF001
        return (kept + factors + waiting) / 1e6

    def _watched(self, meter: Meter, *, path: bool, clip: bool) -> None:
        with contextlib.ExitStack() as window, meter.inside():
            with meter.running():
                step = window.enter_context(
                    integration.watch(self.model, self.optimizer, path=path)
                )
            self._step(step.tap, clip=clip)
            with meter.running():
                window.close()
                step.report().check()

    def _step(self, tap: Function, *, clip: bool, between: Function = lambda: None) -> None:
        for batch in self.batches:
            logits = self.model(batch[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
            (tap(loss, targets=self.tokens) / K).backward()
            between()
        if clip:
            clip_grad_norm_(self.model.parameters(), BOUND)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _dot_products(self) -> None:
        for weight in self.model.parameters():
            flat = weight.detach().view(-1)
            torch.dot(flat, flat)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def costs(loop: Loop, rounds: int, *, clip: bool) -> dict[str, dict[str, Spread]]:
    """Return what each way to watch costs, after a round that warms up."""
    versions = VERSIONS[clip]
    found: dict[str, list[list[float]]] = {version: [] for version in versions}
    loop.dots.clear()
    for turn in range(-1, rounds):
        both = {version: [0.0, 0.0] for version in versions}
        for version in versions + versions[::-1]:
            whole, inside = loop.step(version, clip=clip)
            both[version][0] += whole
            both[version][1] += inside
            if turn < 0 and version == versions[-1]:
                break
        if turn >= 0:
            for version in versions:
                found[version].append(both[version])
    bare = [whole for whole, _ in found.pop("bare")]
    dots = statistics.median(loop.dots)
    return {
        version: {
            "inside": _spread([inside / (whole - inside) for whole, inside in turns]),
            "whole": _spread([w / b - 1 for (w, _), b in zip(turns, bare, strict=True)]),
            "dot products per pass": _spread([i / 2 / K / dots for _, i in turns]),
        }
        for version, turns in found.items()
    }


def _spread(values: list[float]) -> Spread:
    """Return the median, the least and the most."""
    return [round(one, 5) for one in (statistics.median(values), min(values), max(values))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.tap")
    for name, default in (("tokens", 1024), ("rounds", 3), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    loop = Loop(given.tokens, time.process_time if given.threads == 1 else time.perf_counter)
    found: dict[str, Any] = {
        "parameters": sum(weight.numel() for weight in loop.model.parameters()),
        **vars(given),
        "torch": torch.__version__,
    }
    for clip, name in ((False, "plain"), (True, "clipped")):
        found[name] = costs(loop, given.rounds, clip=clip)
    found["megabytes of the path"] = loop.memory()
    found["bare seconds"] = loop.step("bare", clip=False)[0]
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
