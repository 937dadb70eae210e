"""Time the engine and the audit against their peers, in turns; write bench/speed.json.

python -m bench.run                                  # all of it, some ten minutes
python -m bench.run --only sketch --rounds 1 --to -  # a look at one work
"""

import argparse
import datetime as dt
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bench import machine
from bench.cases import Case
from bench.record import Row, growth_row, memory_row, row, text
from bench.workers import ROOT, Place, Workers, variables
from bench.works import AGAINST, BEST, MEMORY, Against, growths

RECORD = ROOT / "bench" / "speed.json"
ROUNDS = 9
SPIN = 0.1  # seconds until another worker's idle threads have stopped waiting for more to do
LONGEST = 100_000_000  # numbers in the longest gradient, where the memory is there
Way = tuple[Place, str]  # where, and the function there
T = TypeVar("T")


def main() -> int:
    asked = _arguments()
    if (asked.rounds < ROUNDS or asked.only) and asked.to == str(RECORD):
        print(f"bench: the record holds every work, in {ROUNDS} rounds or more", file=sys.stderr)
        return 2
    begun, cores = time.monotonic(), sorted({1, len(os.sched_getaffinity(0))})
    with Workers() as workers:
        bench = Bench(workers, asked.rounds, asked.only)
        rows = [one for number in cores for one in bench.ratios(number)]
        memory, growth = list(bench.memory()), list(bench.growth(cores[-1]))
        versions = bench.versions()
    made = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": "make bench",
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "machine": machine.words(),
        "processor": machine.processor(),
        "blas": machine.blas(),
        "kernel": machine.kernel(variables(Place("ours", tuned=False, cores=1))),
        "huge_pages": machine.huge_pages(),
        "cores": cores,
        "rounds": asked.rounds,
        "versions": versions,
    }
    found = text({"made": made, "rows": rows, "memory": memory, "growth": growth})
    if asked.to == "-":
        print(found, end="")
    else:
        Path(asked.to).write_text(found, encoding="utf-8")
    missed = sum(one["met"] is False for one in rows + memory + growth)
    print(f"bench: {len(rows)} ratios, {missed} goals missed, {made['minutes']} minutes")
    return 0


class Bench:
    def __init__(self, workers: Workers, rounds: int, only: str) -> None:
        self.workers, self.rounds, self.only = workers, rounds, only

    def ratios(self, cores: int) -> Iterator[Row]:
        """Compare each work with every way to do it, all of one case side by side."""
        against = [one for one in AGAINST if self.only in one.work]
        for work in dict.fromkeys(one.work for one in against):
            for case in dict.fromkeys(c for one in against if one.work == work for c in one.cases):
                if case.network == "T" and cores > 1:
                    continue  # there is nothing to share
                here = [one for one in against if one.work == work and case in one.cases]
                yield from self._compared(work, case, cores, here)

    def _compared(self, work: str, case: Case, cores: int, against: list[Against]) -> Iterator[Row]:
        ours = (Place("ours", tuned=False, cores=cores), work)
        pairs = [(one, variant) for one in against for variant in one.goals]
        ways = {pair: _way(*pair, cores) for pair in pairs}
        checked = {way for (one, _), way in ways.items() if one.checked}
        contestants = list(dict.fromkeys([ours, *ways.values()]))
        self._prepare(contestants, case, checked)
        seconds = in_turns(contestants, self.rounds, self._timed)
        self.workers.forget()
        for (one, variant), way in ways.items():
            found = row(one, variant, case, cores, seconds[ours], seconds[way])
            print(f"{work} {case} {cores}: {found['ratio']} of {one.words}, {variant}")
            yield found

    def _prepare(self, contestants: Sequence[Way], case: Case, checked: set[Way]) -> None:
        """Have the first one's result written, and the checked ones' compared with it."""
        with tempfile.TemporaryDirectory() as folder:
            result = str(Path(folder, "result.npz"))
            for place, function in contestants:
                way, given = (place, function), {"key": function, "function": function}
                if way == contestants[0]:
                    given |= {"write": result} if checked else {}
                elif way in checked:
                    given |= {"check": result}
                faults = self.workers.ask(place, "prepare", case, **given)
                if faults:
                    raise SystemExit(f"bench: {way} on {case} is not {contestants[0]}: {faults}")

    def _timed(self, way: Way) -> float:
        place, function = way
        time.sleep(SPIN if place.cores > 1 else 0)
        return float(self.workers.ask(place, "time", key=function))

    def memory(self) -> Iterator[Row]:
        place = Place("ours", tuned=False, cores=1)
        for work, goal in MEMORY.items():
            if self.only in work:
                case = next(one.cases[0] for one in AGAINST if one.work == work)
                self.workers.ask(place, "prepare", case, key=work, function=work)
                yield memory_row(work, self.workers.ask(place, "memory", key=work), goal)
        self.workers.forget()

    def growth(self, cores: int) -> Iterator[Row]:
        """Time each work on its cases in turns; the shorter ones are cut from the longest."""
        place = Place("ours", tuned=False, cores=cores)
        for growth in growths(longest(machine.room())):
            if self.only not in growth.work:
                continue
            for case in reversed(growth.cases):
                key = str(case)
                self.workers.ask(place, "prepare", case, key=key, function=growth.work)
            found = in_turns(
                growth.cases,
                self.rounds,
                lambda case: float(self.workers.ask(place, "time", key=str(case))),
            )
            self.workers.forget()
            yield growth_row(growth, cores, found)

    def versions(self) -> dict[str, str]:
        places = sorted(self.workers.running, key=lambda place: place.peer, reverse=True)
        found: dict[str, str] = {}
        for place in places:  # ours last: its NumPy is the one that is timed
            found |= self.workers.ask(place, "versions")
        return dict(sorted(found.items()))


def in_turns(
    contestants: Sequence[T], rounds: int, timed: Callable[[T], float]
) -> dict[T, list[float]]:
    """Time each of them once a round, so that what slows the machine down slows all of them."""
    seconds: dict[T, list[float]] = {one: [] for one in contestants}
    for _ in range(rounds):
        for one in contestants:
            seconds[one].append(timed(one))
    return seconds


def longest(room: int) -> int:
    """Return how long gradients may be that nine of them take half of the memory, at most."""
    most = LONGEST
    while 9 * 4 * most > room // 2:
        most //= 2
    return most


def _way(one: Against, variant: str, cores: int) -> Way:
    return Place(one.peer, variant == BEST, cores), one.way


def _arguments() -> Any:
    parser = argparse.ArgumentParser(prog="bench.run", description=__doc__)
    parser.add_argument("--only", default="", help="works whose name has this in it")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--to", default=str(RECORD), help="a file, or - to print")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
