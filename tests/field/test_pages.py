"""What of the pages needs PyTorch: blocks run, numbers are computed, changes are noticed."""

import contextlib
import doctest
import io
import os
import random
import re
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

import pytest
from support.doc_changes import Change, changes
from support.survivors import listed
from torch.multiprocessing.spawn import ProcessException

from field.workers import printed_by
from sitebuild.page import Block, Mark, Page
from sitebuild.proof import is_rounding, proof_block

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
HEARD = re.compile(r"\s*```text\n(?P<said>.*?)```", re.DOTALL)  # right below a block of workers


def pages() -> dict[str, str]:
    """Return the pages with blocks that need PyTorch, by name."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in found}
    return {name: text for name, text in texts.items() if any(b.place for b in Page(text).blocks)}


PAGES = pages()


def faults(page: str, workers: bool = True) -> Iterator[str]:  # noqa: FBT001, FBT002 - one fact
    """Run a page's blocks in order, in one namespace, and say what is wrong."""
    source = Page(page)
    every = source.blocks
    here = [block for block in every if block.place == "torch"]
    numbers = [(proof_block(mark, every), mark) for mark in source.marks]
    namespace: dict[str, Any] = {"__name__": "page"}
    if "accelerate" in sys.modules:  # a trainer that was stopped leaves its data loader there
        sys.modules["accelerate.state"].GradientState._reset_state()  # noqa: SLF001 - accelerate's
    for block in here:
        with warnings.catch_warnings():  # that a step is wrong is what a block may be about
            warnings.filterwarnings("ignore", r"(Step|audit of step) \d+")
            yield from _run(block, namespace)
        for mark in (mark for proof, mark in numbers if proof == block):
            yield from _number(mark, namespace)
    for block in every:
        if workers and block.place.startswith("torchrun="):
            yield from _launch(block, page)


def _run(block: Block, namespace: dict[str, Any]) -> Iterator[str]:
    if not block.is_doctest:
        try:
            exec(compile(block.source, f"line {block.line}", "exec"), namespace)  # noqa: S102
        except Exception as error:  # noqa: BLE001 - whatever a page raises is its fault
            yield f"line {block.line}: {type(error).__name__}: {error}"
        return
    said: list[str] = []
    test = doctest.DocTest(block.examples, namespace, "page", None, block.line, None)
    doctest.DocTestRunner(verbose=False).run(test, out=said.append, clear_globs=False)
    namespace.update(test.globs)
    yield from said


def _number(mark: Mark, namespace: dict[str, Any]) -> Iterator[str]:
    try:
        value = eval(mark.expression, dict(namespace))  # noqa: S307 - our own pages
    except Exception as error:  # noqa: BLE001 - whatever a page raises is its fault
        yield f"line {mark.line}: {type(error).__name__}: {error}"
        return
    if not is_rounding(mark.printed, value):
        yield f"line {mark.line}: {mark.printed} is printed, but {mark.expression} is {value!r}"


def _launch(block: Block, page: str) -> Iterator[str]:
    """Save a block to a file and let workers run it; compare what they print with what is shown."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "page.py")
        script.write_text(block.source, encoding="utf-8")
        number = int(block.place.partition("=")[2])
        try:
            printed = printed_by(number, script)
        except ProcessException as error:
            yield f"line {block.line}: {error}"
            return
    shown = HEARD.match(page, block.end)
    if shown is None or dedent(shown["said"]).strip() != printed.strip():
        yield f"line {block.line}: the workers print {printed!r}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_and_its_numbers_are_right(name: str) -> None:
    assert list(faults(PAGES[name])) == []


@pytest.mark.parametrize("name", PAGES)
def test_each_change_of_a_page_is_noticed_or_listed(name: str) -> None:
    page, alike = PAGES[name], defaultdict(list)
    for change in changes(page, "torch"):  # what reads alike is listed, and drawn, together
        alike[(name, *change.lines(page))].append(change)
    drawn = sample(list(alike), name)
    unnoticed = {altered for altered in drawn if not all(noticed(page, c) for c in alike[altered])}
    allowed = listed(ROOT / "tests" / "mutation_survivors.toml", "torch")
    listed_here = {altered for altered in allowed if altered[0] == name}
    assert unnoticed == (listed_here & set(drawn) if os.environ.get("SAMPLE") else listed_here)


def noticed(page: str, change: Change) -> bool:
    """Tell whether a changed page has a fault, of those that need no workers."""
    hidden = io.StringIO()  # progress bars write where they can
    with contextlib.redirect_stdout(hidden), contextlib.redirect_stderr(hidden):
        return next(faults(change.applied(page), workers=False), None) is not None


def sample(every: list[T], name: str) -> list[T]:
    """Return all of a page's changes, or as many as SAMPLE says, others with each SEED."""
    size = int(os.environ.get("SAMPLE") or len(every))
    chosen = random.Random(os.environ.get("SEED", "") + name)  # noqa: S311 - no secret
    return chosen.sample(every, min(size, len(every)))


PAGE = """\
The mean is 2.50<!--= float(mean) -->.

```python torch
import torch

mean = torch.tensor([1.0, 4.0]).mean()
```

```python torch
>>> print(mean.item())
2.5
```
"""


def test_a_page_that_is_right_passes() -> None:
    assert list(faults(PAGE)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2.50", "2.51", "2.51 is printed"),
        ("2.5\n", "2.6\n", "Expected"),
        ("4.0", "5.0", "is printed"),
        ("torch.tensor", "torch.tenser", "AttributeError"),
        ("float(mean)", "float(mean, 1)", "TypeError"),
    ],
)
def test_a_page_that_is_wrong_fails(old: str, new: str, said: str) -> None:
    assert said in "".join(faults(PAGE.replace(old, new, 1)))


def test_workers_that_print_something_else_are_noticed() -> None:
    page = '```python torchrun=2\nimport os\n\nif os.environ["RANK"] == "0":\n    print(7)\n```\n'
    assert list(faults(page + "\n```text\n7\n```\n")) == []
    assert "the workers print '7\\n'" in "".join(faults(page + "\n```text\n8\n```\n"))
    assert "ZeroDivisionError" in "".join(faults(page.replace("print(7)", "1 / 0")))
