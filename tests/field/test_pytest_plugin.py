"""The fixture `watched_step`: a right step passes, a wrong one fails, with the verdict first."""

from pathlib import Path

import pytest

pytest_plugins = "pytester"
ROOT = Path(__file__).parents[2]

TESTS = """
import pytest
import torch


def step_of(watched_step, right, **options):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watched_step(model, optimizer, **options) as step:
        for n in (10, 90):
            loss = step.tap(model(torch.randn(n, 3)).square().mean(), targets=n)
            (loss * n / 100 if right else loss / 2).backward()
        optimizer.step()
    return step


def test_right(watched_step):
    assert step_of(watched_step, True).report().ok


def test_wrong(watched_step):
    step_of(watched_step, False)


def test_meant(watched_step):
    step_of(watched_step, False, expect="part")


def test_raises(watched_step):
    with watched_step(torch.nn.Linear(3, 1)):
        raise KeyError("mine")
"""


def test_a_wrong_step_fails_with_the_verdict_first(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "pytest_gradexplain", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=2)
    lines = result.stdout.lines
    start = next(k for k, line in enumerate(lines) if "test_wrong" in line and "___" in line)
    assert lines[start + 1 : start + 3] == [
        "MEAN OF MEANS: 2 tapped losses",
        "A weighs every part alike.",
    ]
    result.stdout.fnmatch_lines(["*FAILED*test_wrong - Failed*"])
    result.stdout.fnmatch_lines(["*FAILED*test_raises - KeyEr*"])
