"""Try the mutants that mutmut made, each in a fork of one process that has collected the tests.

mutmut itself collects the tests anew for each mutant, and that takes longer than most mutants live.
A child runs the tests that reach its function, first those that have noticed other mutants of it.
"""

# ruff: noqa: T201 - it says how far it is

import argparse
import json
import os
import random
import signal
import sys
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = ROOT / "mutants"
SURVIVED, NOTICED, CRASHED, UNREACHED, LATE = 0, 1, 2, 33, 36  # as mutmut writes them
PATIENCE = 20  # times the test's own seconds and one more: then a mutant is called endless


@dataclass(frozen=True)
class Mutant:
    """A mutant by mutmut's name for it, and the file in which mutmut keeps how its tests ended."""

    name: str
    results: Path

    @property
    def function(self) -> str:
        """Return mutmut's name of the function."""
        return self.name.rpartition("__mutmut_")[0]


NONE = Mutant("", Path())


@dataclass(frozen=True)
class Child:
    """A process that tries a mutant; it writes into its pipe which test failed."""

    mutant: Mutant
    tests: list[str]
    pipe: int
    start: float


class Trials:
    """A plugin that has pytest try mutants, where it would run the tests it has collected."""

    def __init__(self, waiting: list[Mutant], jobs: int) -> None:
        stats = json.loads((MUTANTS / "mutmut-stats.json").read_text(encoding="utf-8"))
        self.reach: dict[str, list[str]] = stats["tests_by_mangled_function_name"]
        self.seconds: dict[str, float] = stats["duration_by_test"]
        self.waiting, self.jobs = waiting, jobs
        self.noticed: dict[str, Counter[str]] = defaultdict(Counter)
        self.running: dict[int, Child] = {}
        self.items: dict[str, pytest.Item] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try each mutant.

        Raises:
            RuntimeError: a test fails without any mutant.
        """
        self.items = {item.nodeid: item for item in session.items}
        self._start(NONE, list(self.items))
        if self._finish() != SURVIVED:
            raise RuntimeError("a test fails without any mutant")
        for number, mutant in enumerate(self.waiting):
            if number % 100 == 0:
                print(f"{number} of {len(self.waiting)}", flush=True)
            tests = [test for test in self.reach.get(mutant.function, []) if test in self.items]
            if not tests:
                _record(mutant, UNREACHED, 0.0)
                continue
            if len(self.running) == self.jobs:
                self._finish()
            self._start(mutant, self._ordered(mutant, tests))
        while self.running:
            self._finish()
        return True

    def _ordered(self, mutant: Mutant, tests: list[str]) -> list[str]:
        """Put first what noticed most mutants of the function, then of its file, then the quick."""
        own, near = self.noticed[mutant.function], self.noticed[str(mutant.results)]
        return sorted(tests, key=lambda one: (-own[one], -near[one], self.seconds[one], one))

    def _start(self, mutant: Mutant, tests: list[str]) -> None:
        """Run the tests in a child until one fails."""
        out, into = os.pipe()
        if child := os.fork():
            os.close(into)
            self.running[child] = Child(mutant, tests, out, monotonic())
            return
        code = CRASHED
        try:
            self.items[tests[0]].config.pluginmanager.unregister(name="terminalreporter")
            set_mutant_under_test(mutant.name)
            code = self._tried(tests, into)
        finally:
            os._exit(code)

    def _tried(self, tests: list[str], pipe: int) -> int:
        items = [self.items[test] for test in tests]
        for number, (item, after) in enumerate(zip(items, [*items[1:], None], strict=True)):
            signal.alarm(round(PATIENCE * (self.seconds.get(tests[number], 1.0) + 1)))
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if item.session.testsfailed:
                os.write(pipe, str(number).encode())
                return NOTICED
        return SURVIVED

    def _finish(self) -> int:
        """Wait for a child to end, and record how."""
        number, status = os.wait()
        child, code = self.running.pop(number), os.waitstatus_to_exitcode(status)
        with os.fdopen(child.pipe, "rb") as pipe:
            if failed := pipe.read():
                for place in (child.mutant.function, str(child.mutant.results)):
                    self.noticed[place][child.tests[int(failed)]] += 1
        code = LATE if code == -signal.SIGALRM else code
        if child.mutant != NONE:
            _record(child.mutant, code, monotonic() - child.start)
        return code


def main() -> int:
    """Try the mutants that have not been tried, or a sample of all; return pytest's exit code."""
    options = _options()
    every = mutants()
    if options.sample is None:
        waiting = [mutant for mutant, code in every.items() if code is None]
    else:
        for results in {mutant.results for mutant in every}:
            _forget(results)  # what mutmut tried by itself was not drawn
        waiting = sample(list(every), options.sample, options.seed)
    os.chdir(MUTANTS)
    sys.path[0] = str(MUTANTS)  # before the package as it is
    settings: dict[str, Any] = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    selection = settings["tool"]["mutmut"]["pytest_add_cli_args_test_selection"]
    return pytest.main(["--rootdir=.", "-q", *selection], plugins=[Trials(waiting, options.jobs)])


def mutants(folder: Path = MUTANTS) -> dict[Mutant, int | None]:
    """Return every mutant with how its tests ended, or None where it has not been tried."""
    return {
        Mutant(name, results): code
        for results in sorted(folder.rglob("*.py.meta"))
        for name, code in _read(results)["exit_code_by_key"].items()
    }


def sample(every: list[Mutant], size: int, seed: str) -> list[Mutant]:
    """Draw some of the mutants, and put those of one function side by side."""
    print(f"A sample of {size} of {len(every)} mutants, seed {seed}")
    drawn = random.Random(seed).sample(every, min(size, len(every)))  # noqa: S311 - no secret
    return sorted(drawn, key=lambda mutant: mutant.name)


def _forget(results: Path) -> None:
    found = _read(results)
    found["exit_code_by_key"] = dict.fromkeys(found["exit_code_by_key"])
    results.write_text(json.dumps(found, indent=4), encoding="utf-8")


def _record(mutant: Mutant, code: int, seconds: float) -> None:
    found = _read(mutant.results)
    found["exit_code_by_key"][mutant.name] = code
    found["durations_by_key"][mutant.name] = seconds
    mutant.results.write_text(json.dumps(found, indent=4), encoding="utf-8")


def _read(results: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="how many to try, drawn at random")
    parser.add_argument("--seed", default="0", help="which to draw")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
