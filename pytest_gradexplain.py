"""The pytest plugin: a fixture that watches a training step of PyTorch, and fails if it is wrong.

    def test_one_step_averages_over_targets(watched_step):
        with watched_step(model, optimizer) as step:
            for batch in micro_batches:
                loss = step.tap(mean_loss(model, batch), targets=n_targets(batch))
                (loss / K).backward()  # your lines, unchanged
            optimizer.step()

It is a module of its own, so that pytest starts without importing gradexplain, NumPy or torch.
"""

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gradexplain.integrations.torch import Step

    Watched = Callable[..., contextlib.AbstractContextManager[Step]]


@pytest.fixture
def watched_step() -> "Watched":
    """Watch one accumulation step in a test, as `watch` does, and fail the test if it is wrong.

    It takes what `gradexplain.integrations.torch.watch` takes, and is used as that is: in a `with`.
    Where the block ends, the test fails unless the step averages as intended. The failure is the
    report, which begins with the verdict.
    """
    from gradexplain.integrations.torch import watch  # noqa: PLC0415 - only for those who use it

    @contextlib.contextmanager
    def watched(*arguments: Any, **options: Any) -> "Iterator[Step]":  # noqa: ANN401 - as `watch` has them
        with watch(*arguments, **options) as step:
            yield step
        report = step.report()
        if report.ok is not True:
            pytest.fail(str(report), pytrace=False)

    return watched
