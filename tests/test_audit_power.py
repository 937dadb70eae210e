"""How often the audit names what is wrong: a sample of the recorded trials, run again."""

import numpy as np
import pytest
from planted import ARITHMETICS, Loop, loops, outcome


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_no_planted_mistake_gets_a_wrong_name(arithmetic: str) -> None:
    outcomes = [outcome(loop) for loop in loops(arithmetic, 21, seed=1)]
    assert "wrong" not in outcomes
    assert outcomes.count("right") >= (0.95 if arithmetic == "float32" else 0.7) * len(outcomes)


def test_a_wrong_verdict_would_be_seen() -> None:
    loop = next(loops("float32", 1))
    other = Loop("never divided", loop.accumulated, loop.parts, loop.counts)
    assert outcome(other) == "wrong"
    noise = np.random.default_rng(0).standard_normal(loop.accumulated["0.weight"].shape)
    noisy = loop.accumulated | {"0.weight": (1e-3 * noise).astype(np.float32)}
    assert outcome(Loop("none", noisy, loop.parts, loop.counts)) in {"undecided", "wrong"}
