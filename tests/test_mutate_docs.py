"""The mutation of the pages: it finds every change, and tells the noticed from the unnoticed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutate_docs import mutants, sample
from support.doc_changes import changes
from support.pages import ROOT

FENCE = "```"


def lines_after(page: str) -> list[str]:
    return [change.lines(page)[1] for change in changes(page)]


def in_block(*code: str) -> str:
    return "\n".join(["Text.", "", FENCE + "python", *code, FENCE, ""])


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("x = 0", ["x = 1"]),
        ("x = 5", ["x = 4", "x = 6"]),
        ("x = 9", ["x = 8"]),
        ("x = 10", ["x = 00", "x = 20", "x = 11"]),
        ("x = 15", ["x = 25", "x = 14", "x = 16"]),  # 05 is no Python
        ("x = e2", ["x = e1", "x = e3"]),
        ("x = -a", ["x = +a"]),
        ("x = 1e-6", ["x = 0e-6", "x = 2e-6", "x = 1e+6", "x = 1e-5", "x = 1e-7"]),
        ("x = a + b", ["x = a - b"]),
        ("x = a - b", ["x = a + b"]),
        ("x = a * b", ["x = a / b"]),
        ("x = a / b", ["x = a * b"]),
        ("x = a // b", ["x = a / b"]),
        ("x = a ** b", ["x = a * b"]),
        ("x = a % b", ["x = a * b"]),
        ("x = a @ b", ["x = a * b"]),
        ("x = a & b", ["x = a | b"]),
        ("x = a | b", ["x = a & b"]),
        ("x = a < b", ["x = a >= b"]),
        ("x = a <= b", ["x = a > b"]),
        ("x = a > b", ["x = a <= b"]),
        ("x = a >= b", ["x = a < b"]),
        ("x = a == b", ["x = a != b"]),
        ("x = a != b", ["x = a == b"]),
        ("x = a and b", ["x = a or b"]),
        ("x = a or b", ["x = a and b"]),
        ("x = a is b", ["x = a is not b"]),
        ("x = a in b", ["x = a not in b"]),
        ("x = not b", ["x =  b"]),
        ("x += y", ["x -= y"]),
        ('x = f"{a:.3f}"', ['x = f"{a:.2f}"', 'x = f"{a:.4f}"']),
        ("x = [*a]", []),
        ("x = a  # 1 - b", []),
        ('x = "#" + b', ['x = "#" - b']),
        ('"a" + b', ['"a" - b']),
        ('def f(): "One or 2."', []),
        ("def f(a) -> b: ...", []),
    ],
)
def test_in_code(line: str, after: list[str]) -> None:
    assert lines_after(in_block(line)) == after


def test_in_prompts_and_their_outputs() -> None:
    page = in_block(
        ">>> for i in [a,", "...           -b]:", "...     i", "-0.5", ">>> c + d", "a < 0"
    )
    assert lines_after(page) == [
        *["...           +b]:", "+0.5", "-1.5", "-0.4", "-0.6"],
        *[">>> c - d", "a >= 0", "a < 1"],
    ]


def test_inside_an_indent_every_change_is_in_its_place() -> None:
    page = in_block("a = [", "", "    -b,", "]", "c = d + e")
    moved = page.replace("\n", "\n    ")
    assert lines_after(page) == ["+b,", "c = d - e"] == lines_after(moved)


def test_of_a_computed_number() -> None:
    page = (
        "It is 0.2<!--= a +\n  b -->, and −3<!--= -c --> too, but not 5 or `6` or 7<!--from: d-->."
    )
    assert lines_after(page) == [
        "It is −0.2<!--= a +",
        *["It is 1.2<!--= a +", "It is 0.1<!--= a +", "It is 0.3<!--= a +", "It is 0.2<!--= a -"],
        *[
            f"b -->, and {sign}{digit}<!--= {c} --> too, but not 5 or `6` or 7<!--from: d-->."
            for sign, digit, c in [("+", 3, "-c"), ("−", 2, "-c"), ("−", 4, "-c"), ("−", 3, "+c")]
        ],
    ]


def test_of_a_derivation_and_its_declaration() -> None:
    page = "<!-- derivation: N=3 -->\n$$\na &= -b^2 && \\text{rule 1}\n$$\n\n$$\nc = 1\n$$\n"
    assert lines_after(page) == [
        *["<!-- derivation: N=2 -->", "<!-- derivation: N=4 -->"],
        r"a &\neq  -b^2 && \text{rule 1}",
        *[rf"a &= {b} && \text{{rule 1}}" for b in ["+b^2", "-b_2", "-b^1", "-b^3"]],
    ]


def test_a_seed_draws_the_same_sample_again_and_another_seed_another(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(in_block("x = 1234567890"))
    every = mutants(path)
    first, again, other = (sample(every, 5, seed) for seed in ["a", "a", "b"])
    assert first == again != other
    assert len({*first}) == 5
    assert {*first} <= {*every} == {*sample(every, 99, "a")}


# The run: what it says of a planted page, and whether it fails

PLANTED = in_block("a = [1, 4]") + in_block(">>> a[1]", "4")
SURVIVORS = [("a = [1, 4]", "a = [0, 4]"), ("a = [1, 4]", "a = [2, 4]")]


def run(folder: Path, page: str, *listed: tuple[str, str]) -> subprocess.CompletedProcess[str]:
    (folder / "page.md").write_text(page)
    entries = [
        f"[[docs]]\nplace = 'page.md'\nbefore = '{before}'\nafter = ['{after}']\nreason = 'planted'"
        for before, after in listed
    ]
    (folder / "survivors.toml").write_text("\n".join(entries))
    script = [sys.executable, str(ROOT / "tests" / "mutate_docs.py"), "--seconds", "1"]
    planted = ["--survivors", str(folder / "survivors.toml"), str(folder / "page.md")]
    one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [*script, *planted], env=one_thread, capture_output=True, text=True, check=False
    )


def says(done: subprocess.CompletedProcess[str]) -> tuple[list[str], str]:
    """Return the faults named, and the count without the time it took."""
    *faults, count = done.stdout.rstrip().replace("\n  ", " ").splitlines()
    return faults, count.partition(";")[0]


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@forks
def test_an_unchecked_number_is_reported_and_a_checked_one_is_not(tmp_path: Path) -> None:
    done = run(tmp_path, PLANTED)
    faults = [f"Unnoticed: page.md - {before} + {after}" for before, after in SURVIVORS]
    count = "8 changes on 1 pages, 8 tried: 0 noticed by the clock, 2 unnoticed"
    assert says(done) == (faults, count)
    assert done.returncode == 1


@forks
def test_listed_with_a_reason_it_passes(tmp_path: Path) -> None:
    done = run(tmp_path, PLANTED, *SURVIVORS)
    count = "8 changes on 1 pages, 8 tried: 0 noticed by the clock, 2 unnoticed"
    assert says(done) == ([], count)
    assert done.returncode == 0


@forks
@pytest.mark.parametrize(
    ("stale", "fault"),
    [
        (("a = [1, 4]", "a = [1, 5]"), "Listed, but noticed:"),
        (("a = [1, 4]", "a = [3, 4]"), "Listed, but there is no such change:"),
        (("a = [7, 4]", "a = [6, 4]"), "Listed, but there is no such change:"),
    ],
)
def test_a_list_grown_old_fails(tmp_path: Path, stale: tuple[str, str], fault: str) -> None:
    done = run(tmp_path, PLANTED, *SURVIVORS, stale)
    assert says(done)[0] == [f"{fault} page.md - {stale[0]} + {stale[1]}"]
    assert done.returncode == 1


@forks
def test_every_kind_of_check_notices(tmp_path: Path) -> None:
    page = "It is 3<!--= total() -->.\n\n" + in_block("k = 2", "def total():", "    return k + 1")
    page += in_block("k = 4") + "Here 5<!--= k + 1 -->.\n" + in_block("assert total() == 5")
    done = run(tmp_path, page)
    count = "19 changes on 1 pages, 19 tried: 0 noticed by the clock, 0 unnoticed"
    assert says(done) == ([], count)
    assert done.returncode == 0


@forks
def test_an_endless_block_is_noticed_by_the_clock(tmp_path: Path) -> None:
    faults, count = says(run(tmp_path, in_block("while not 1:", "    pass")))
    after = ["while  1:", "while not 0:"]
    assert faults[:2] == [f"Noticed by the clock: page.md - while not 1: + {a}" for a in after]
    assert count == "3 changes on 1 pages, 3 tried: 2 noticed by the clock, 1 unnoticed"


@forks
def test_a_page_that_fails_unchanged_stops_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, in_block("a = 1") + in_block(">>> a", "2"))
    assert done.returncode == 1
    assert "Expected:\n    2\nGot:\n    1" in done.stderr
