"""Print the table of loops: the lines that watching adds, and what is said of each version.

python -m field.print_loops
"""

import inspect
import re

from field import loops_workers
from field.loops import Loop
from field.test_loops import KINDS, LOOPS, spread

_ADDED = re.compile(r"with watch\(|step\.tap\(|step\.report\(\)")


def added(loop: Loop) -> int:
    """Count the lines of a loop, or of the function of ours that it hands over to."""
    ours = dict(
        one
        for kind in (*KINDS, loops_workers)
        for one in inspect.getmembers(kind, inspect.isfunction)
    )
    waiting, seen = [loop.run], set()
    while waiting:
        source = inspect.getsource(one := waiting.pop())
        seen.add(one)
        waiting += [f for name, f in ours.items() if f"{name}(" in source and f not in seen]
    return max(len(_ADDED.findall(inspect.getsource(one))) for one in seen)


def main() -> None:
    for name, loop in LOOPS.items():
        right, wrong = loop.run(right=True), loop.run(right=False)
        print(f"| {name} | {added(loop)} | {right.summary} | {wrong.summary} |")
    told, _ = spread()
    for name, loop in loops_workers.LOOPS.items():
        said = [told[f"{name}, {which}"][0] for which in ("right", "wrong")]
        titles = [f"{data['verdict']}: {data['claim']}" for data in said]
        print(f"| {name} | {added(loop)} | {' | '.join(titles)} |")


if __name__ == "__main__":
    main()
