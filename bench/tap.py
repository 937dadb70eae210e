"""What watching a step costs: the bare step, only taps, and taps with the path, in turns.

python -m bench.tap [--tokens 1024] [--rounds 9] [--threads 2] [--cpu]

It needs PyTorch. A transformer of 10 million parameters takes one step of eight micro-batches. The
three versions take turns, each round in another order, and the ratio is that of the medians over
rounds of what one version took beside the bare one in the same round.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradexplain.integrations.torch import watch

WIDTH, LAYERS, HEADS, VOCABULARY, LENGTH = 320, 6, 5, 4096, 256
K = 8
Step = Callable[[], None]


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


def versions(tokens: int) -> dict[str, Step]:
    """Return the step in its three versions, on one model and its data."""
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    batches = [torch.randint(VOCABULARY, (tokens // LENGTH, LENGTH + 1)) for _ in range(K)]

    def mean(batch: Tensor) -> Tensor:
        return F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())

    def bare() -> None:
        for batch in batches:
            (mean(batch) / K).backward()
        optimizer.step()
        optimizer.zero_grad()

    def watched(*, path: bool) -> None:
        with watch(model, optimizer, path=path) as step:
            for batch in batches:
                (step.tap(mean(batch), targets=tokens) / K).backward()
            optimizer.step()
        optimizer.zero_grad()
        step.report().check()

    return {
        "bare": bare,
        "taps": lambda: watched(path=False),
        "taps and path": lambda: watched(path=True),
    }


def timed(
    steps: dict[str, Step], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return the seconds of each version, a number a round, after one round that warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for turn in range(-1, rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = clock()
            steps[name]()
            if turn >= 0:
                seconds[name].append(clock() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in (("tokens", 1024), ("rounds", 9), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--cpu", action="store_true", help="time of the processor, not of the wall")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    clock = time.process_time if given.cpu else time.perf_counter
    seconds = timed(versions(given.tokens), given.rounds, clock)
    bare = seconds["bare"]
    found: dict[str, Any] = {
        "parameters": sum(weight.numel() for weight in Model().parameters()),
        "tokens": given.tokens,
        "threads": given.threads,
        "clock": "processor" if given.cpu else "wall",
        "torch": torch.__version__,
        "bare seconds": statistics.median(bare),
    }
    for name in ("taps", "taps and path"):
        ratios = [one / other for one, other in zip(seconds[name], bare, strict=True)]
        found[name] = {
            "median of ratios": statistics.median(ratios),
            "ratio of least": min(seconds[name]) / min(bare),
            "ratios": sorted(round(ratio, 4) for ratio in ratios),
        }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
