"""The museum's page, drawn at build: `<!--museum: gallery-->` becomes an entry for each bug.

What was found stands in docs/practice/museum.json, which `make museum` writes; what became of a bug
in tests/museum/told.toml; its loop is that of tests/museum/bugs. Every line of an entry begins with
a tag, so that it passes through Markdown as it is.
"""

import ast
import html
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from markdown import markdown

from gradexplain.audit.judge import Verdict
from gradexplain.audit.tell.words import TITLES
from sitebuild import loops

RECORD = Path("practice", "museum.json")
_TESTS = Path(__file__).parents[1] / "tests" / "museum"
OURS = "tap", "audit"
SCALED = "rescaled", "mean-of-means", "mean-of-group-means"
#: What the page itself explains once, for all loops.
KNOWN = {"mean_loss", "sum_loss", "count", "everywhere"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Museum:
    """What the page draws from."""

    docs: Path

    @cached_property
    def record(self) -> Row:
        """What `make museum` found."""
        return dict(json.loads((self.docs / RECORD).read_bytes()))

    @cached_property
    def told(self) -> Row:
        """What the page says of each bug and tool beside it."""
        return tomllib.loads((_TESTS / "told.toml").read_text(encoding="utf-8"))

    @cached_property
    def bugs(self) -> list[Row]:
        """Return the bugs, the newest first."""
        return sorted(self.record["bugs"], key=lambda bug: bug["reported"], reverse=True)

    @property
    def tools(self) -> list[tuple[str, Row]]:
        """Return the comparison's rows, ours together before all others."""
        return sorted(self.record["comparison"].items(), key=lambda row: " and " not in row[0])

    def name(self, tool: str) -> str:
        """Return what the page calls a tool."""
        return str(self.told["tools"][tool].get("name", tool))


def drawn(asked: str, docs: Path) -> str:
    """Return what a place of the page asks for.

    Raises:
        ValueError: there is no such thing.
    """
    if asked not in _DRAWN:
        raise ValueError(f"<!--museum: {asked}--> must ask for one of {', '.join(_DRAWN)}")
    return _DRAWN[asked](Museum(docs))


def anchor(name: str) -> str:
    """Return the anchor of a bug's entry."""
    return name.replace("_", "-")


def standing(bug: Row, told: Row) -> str:
    """Return what became of a bug, in a word or two."""
    return str(told.get("standing", "fixed" if bug["state"] == "merged" else bug["state"]))


# The tables


def _comparison(museum: Museum) -> str:
    rows = [["Tool", "Found", "Named", "False alarms", "Smallest"], ["---"] * 5]
    for tool, row in museum.tools:
        rows.append(
            [
                f"**{tool}**" if _ours(tool) else museum.name(tool),
                f"{_count(tool, row, 'detected')} of {_count(tool, row, 'bugs')}",
                _count(tool, row, "named"),
                f"{_count(tool, row, 'false alarms')} of {_count(tool, row, 'right loops')}",
                _smallest(tool, museum.record["smallest"]),
            ]
        )
    return _table(rows)


def _needs(museum: Museum) -> str:
    rows = [["Tool", "Needs", "Seconds"], ["---"] * 3]
    for tool, row in museum.tools:
        seconds = row["seconds"]
        found = "—" if seconds is None else _marked(f"{seconds}", f'tools["{tool}"]["seconds"]')
        if "needs" in museum.told["tools"][tool]:
            rows.append([museum.name(tool), museum.told["tools"][tool]["needs"], found])
    return _table(rows)


def _table(rows: Iterable[Iterable[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _count(tool: str, row: Row, what: str) -> str:
    return _marked(f"{row[what]}", f'tools["{tool}"]["{what}"]')


def _smallest(tool: str, planted: Row) -> str:
    """Return the smallest error at which every tool of a row's still raised an alarm."""
    own = [name for name in tool.split(" and ") if name in next(iter(planted.values()))]
    if not own:
        return "not asked"
    seen = [error for name in own for error in _seen(name, planted)]
    if not seen:
        return "none"
    value = 100 * min(seen)
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    names = ", ".join(map(repr, own))
    return f"{_marked(text, f'smallest({names})')}%"


def _seen(tool: str, planted: Row) -> Iterator[float]:
    """Yield the errors that a tool sees, from the largest to the one before its first miss."""
    for row in planted.values():
        if row[tool] is not False:
            return
        yield row["error"]


# What is missed


def _misses(museum: Museum) -> str:
    """Return a list of what our two do not name, and of what they suspect for nothing."""
    told, lines = museum.told, []
    missed = {tool: {b["name"]: b for b in museum.bugs if _missed(b, tool)} for tool in OURS}
    both = [name for name in missed[OURS[0]] if name in missed[OURS[1]]]

    def why(tool: str, bug: Row) -> str:
        return str(told["missed"][tool].get(bug["name"], bug["before"][tool].get("says", "")))

    for name in both:
        bug = missed[OURS[0]][name]
        lines.append(f"- **Both miss** {_linked(bug)}. {why(OURS[1], bug)}")
    for tool, other in (OURS, OURS[::-1]):
        reasons: dict[str, list[Row]] = {}
        for name, bug in missed[tool].items():
            if name not in both:
                reasons.setdefault(why(tool, bug), []).append(bug)
        for reason, alike in reasons.items():
            named = _listed([_linked(bug) for bug in alike])
            lines.append(f"- **The {tool} misses** {named}, which the {other} names. {reason}")
        for name, said in _alarms(museum, tool):
            reason = told["alarms"][tool].get(name, said)
            right = name.removeprefix("right: ")
            lines.append(f"- **The {tool} suspects** a right loop, “{right}”. {reason}")
    return "\n".join(lines) or "Neither misses one, and neither suspects a right loop."


def _others(museum: Museum) -> str:
    lines = []
    for tool, row in museum.tools:
        told = museum.told["tools"][tool]
        if not _ours(tool):
            alarms = f" {told['alarms']}" if row["false alarms"] else ""
            lines.append(f"- **{museum.name(tool)}**: {told['blind']}{alarms}")
    return "\n".join(lines)


def _ours(tool: str) -> bool:
    return set(tool.split(" and ")) <= set(OURS)


def _missed(bug: Row, tool: str) -> bool:
    found = bug["before"].get(tool, {"not for": ""})
    return "not for" not in found and not found["named"]


def _alarms(museum: Museum, tool: str) -> Iterator[tuple[str, str]]:
    """Yield each right loop that a tool raises an alarm on, and its words."""
    right = [(row["name"], row) for row in museum.record["controls"]]
    right += [(f"{bug['project']}, fixed", bug["after"]) for bug in museum.bugs]
    for name, row in right:
        if row.get(tool, {}).get("ok") is False:
            yield name, row[tool].get("says", "")


def _linked(bug: Row) -> str:
    return f"[{bug['project'].partition('/')[2]}](#{anchor(bug['name'])})"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# The gallery


def _gallery(museum: Museum) -> str:
    told = museum.told["bugs"]
    entries = [line for bug in museum.bugs for line in _entry(bug, told[bug["name"]], museum.name)]
    kinds = {bug["kind"]: _title(bug["kind"]) for bug in museum.bugs}
    standings = [standing(bug, told[bug["name"]]) for bug in museum.bugs]
    states = dict(zip(standings, standings, strict=True))
    script = '<script type="module" src="../../assets/museum.js" fetchpriority="low"></script>'
    return "\n".join(
        [*_sieve(kinds, states), '<div class="gx-bugs">', *entries, "</div>", "", script]
    )


def _sieve(kinds: Row, states: Row) -> Iterator[str]:
    """Yield what the script finds and sorts by; without one it is not shown."""
    orders = {
        "day": "the newest first",
        "off": "the furthest off first",
        "project": "project",
    }
    yield '<div class="gx-sieve" role="search" aria-label="Find a bug" data-search-exclude>'
    yield '<label>Words <input type="search" name="find" autocomplete="off"></label>'
    every = {"": "all"}
    for name, label, choices in (
        ("kind", "Class", every | dict(sorted(kinds.items()))),
        ("state", "State", every | dict(sorted(states.items()))),
        ("by", "Order", orders),
    ):
        yield f'<label>{label} <select name="{name}">'
        yield from (f'<option value="{value}">{text}</option>' for value, text in choices.items())
        yield "</select></label>"
    yield "<output></output>"
    yield "</div>"


def _entry(bug: Row, told: Row, names: Callable[[str], str]) -> Iterator[str]:
    name, state = bug["name"], standing(bug, told)
    source = (_TESTS / "bugs" / f"{name}.py").read_text(encoding="utf-8")
    error = bug["before"]["truth"]["error"]
    yield (
        f'<details class="gx-bug" data-kind="{bug["kind"]}" data-state="{state}" '
        f'data-day="{bug["reported"]}" data-off="{error}" data-project="{bug["project"]}">'
    )
    yield (  # on one line: no link of a number's may stand in what unfolds
        f"<summary><strong>{bug['project'].replace('/', '/<wbr>')}</strong>"
        f"<span>{bug['reported'][:4]}</span>"
        f"<span>{html.escape(bug['averaged'])}</span>"
        f'<span class="gx-gap">{_off(name, error)}% off</span>'
        f"<span>{_title(bug['kind'])}</span>"
        f"<span>{state}</span></summary>"
    )
    said = html.escape(ast.get_docstring(ast.parse(source)) or "")
    yield f'<h3 id="{anchor(name)}">{said}{_permalink(name)}</h3>'
    lines = loops.shown(source, told)
    yield _code(lines)
    if where := told.get("where") or _where(" ".join(code for _, code in lines), source):
        yield f'<p class="gx-where">{_inline(where)}</p>'
    yield from _weights(bug)
    yield _verdict(bug)
    yield f"<p><strong>The fix.</strong> {_inline(told['fix'])}</p>"
    if "cost" in told:
        yield f"<p><strong>What it cost.</strong> {_inline(told['cost'])}</p>"
    yield from _run(bug)
    yield _tools(bug, names)
    yield "</details>"


def _permalink(name: str) -> str:
    return f'<a class="headerlink" href="#{anchor(name)}" title="Link to this entry">#</a>'


def _code(lines: Iterable[loops.Line]) -> str:
    tags = {"-": "del", "+": "ins", " ": "span"}
    shown = [
        f"<{tags[sign]}>{sign} {html.escape(code, quote=False)}</{tags[sign]}>"
        for sign, code in lines
    ]
    text = "\n".join(shown)
    return f'<pre class="gx-change no-copy" data-search-exclude><code>{text}\n</code></pre>'


def _where(code: str, source: str) -> str:
    """Return what the helpers of a loop are, from their docstrings, and its constants."""
    worlds = (_TESTS / "worlds.py").read_text(encoding="utf-8")
    known = _explained(worlds) | _explained(source)
    used = dict.fromkeys(re.findall(r"\b[a-z_]+(?=\()|\b[A-Z_]+\b", code))
    words = [f"`{name}`: {known[name]}" for name in used if name in known]
    return f"{'; '.join(words)}." if words else ""


def _explained(source: str) -> dict[str, str]:
    """Return what a module's functions return, by the first line of their docstrings."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name not in KNOWN:
            said = (ast.get_docstring(node) or "").partition(".")[0]
            if said.startswith("Return "):
                found[node.name] = said.removeprefix("Return ")
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            found[ast.unparse(node.targets[0])] = f"`{ast.unparse(node.value)}`"
    return found


def _weights(bug: Row) -> Iterator[str]:
    """Yield a table of the right weights and of those given, where weights say it all."""
    old, new = bug["before"]["truth"], bug["after"]["truth"]
    if not _weighed(bug):
        return
    heads = _columns(bug, len(old["weights"]))
    yield "<table>"
    yield "<thead><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr></thead>"
    yield "<tbody>"
    for key in (key for key in old if key.startswith("weights") and "vary" not in key):
        term = key.removeprefix("weights").strip()
        of = f", {term.replace('_', ' ')}" if term else ""
        yield _row(f'<span class="gx-true">right{of}</span>', bug, "after", key, new[key])
        if key == "weights" and "workers" in old:
            for worker, given in enumerate(old["workers"]):
                label = f'<span class="gx-averaged">given, worker {worker + 1}</span>'
                yield _row(label, bug, "before", f"workers {worker}", given)
        else:
            yield _row(f'<span class="gx-averaged">given{of}</span>', bug, "before", key, old[key])
    yield "</tbody>"
    yield "</table>"


def _weighed(bug: Row) -> bool:
    """Tell whether the micro-batches' weights say what is wrong."""
    old, new = bug["before"]["truth"], bug["after"]["truth"]
    whole = max(old["outside"], new["outside"]) < 1e-3
    return whole and not any("vary" in key for key in new)


def _columns(bug: Row, count: int) -> list[str]:
    workers = int(bug["workers"])
    if workers == 1:
        return ["micro-batch", *(f"{k + 1}" for k in range(count))]
    each = count // workers
    if each == 1:
        return ["worker", *(f"{k + 1}" for k in range(count))]
    places = [f"{k // each + 1}.{k % each + 1}" for k in range(count)]
    return ["worker.batch", *(f"<code>{place}</code>" for place in places)]


def _row(label: str, bug: Row, side: str, key: str, weights: Iterable[float]) -> str:
    cells = []
    for k, weight in enumerate(weights):
        name, _, worker = key.partition("workers ")
        path = f'"workers", {worker}, {k}' if worker else f'"{name}", {k}'
        cells.append(_marked(_three(weight), f'weight("{bug["name"]}", "{side}", {path})'))
    missing = len(bug["before"]["truth"]["weights"]) - len(cells)  # it is of no micro-batch
    first = f'<td colspan="{missing + 1}">' if missing else "<td>"
    return f'<tr><th scope="row">{label}</th>{first}{"</td><td>".join(cells)}</td></tr>'


def _verdict(bug: Row) -> str:
    kind, title = bug["kind"], _title(bug["kind"])
    known = kind in {str(verdict) for verdict in Verdict}
    link = f'<a href="../../reference/verdicts/#{kind}">{title}</a>' if known else title
    factor = bug.get("factor", 1.0) if kind in SCALED else 1.0
    asked = f'factor("{bug["name"]}")'
    times = "" if factor == 1.0 else f" × {_marked(_three(factor), asked)}"
    term = f", of the term <code>{bug['term']}</code>" if bug.get("term") else ""
    why = ""
    if kind == "not-a-mean":
        why = " No weights of the micro-batches' own gradients would be right."
    elif not _weighed(bug):
        why = " The right gradient is the whole batch's, no mean of the workers' own."
    elif any("vary" in key for key in bug["before"]["truth"]):
        why = " Within a micro-batch, the targets' weights differ."
    elif bug.get("clip"):
        why = " The right weights are small because the right step clips, too, and once."
    what = "verdict" if known else "class"
    return f"<p><strong>The {what}.</strong> {link}{times}{term}.{why}</p>"


def _run(bug: Row) -> Iterator[str]:
    if bug.get("real"):
        ran = f"The package itself: {_coded(bug['real'])}."
    else:
        ran = f"A reduction to plain PyTorch, of {_coded(bug['reduces'])}."
    remark = f" {_coded(bug['remark'])}" if bug.get("remark") else ""
    yield f"<p><strong>What ran.</strong> {ran}{remark}</p>"
    address = html.escape(bug["address"])
    number = bug["address"].rpartition("/")[2]
    where = "/".join(bug["address"].split("/")[3:5])
    yield (
        f'<p><strong>The report.</strong> <a href="{address}">{where}#{number}</a>, '
        f"{bug['reported']}; {bug['state']} when it was seen, {bug['seen']}.</p>"
    )


def _tools(bug: Row, names: Callable[[str], str]) -> str:
    found = {tool: answer for tool, answer in bug["before"].items() if tool != "truth"}
    loud = [tool for tool, answer in found.items() if answer["ok"] is False]
    named = [tool for tool in loud if found[tool]["named"]]
    still = [tool for tool, answer in found.items() if tool not in loud and "not for" not in answer]
    parts = [
        f"{title} {_listed([_inline(names(tool)) for tool in tools])}"
        for title, tools in (
            ("named by", named),
            ("alarm from", [tool for tool in loud if tool not in named]),
            ("silent:", still),
        )
        if tools
    ]
    text = "; ".join(parts)
    return f"<p><strong>The tools.</strong> {text[:1].upper()}{text[1:]}.</p>"


def _title(kind: str) -> str:
    known = {str(verdict): title for verdict, title in TITLES.items()}
    return known.get(kind, kind.replace("-", " "))


def _off(name: str, error: float) -> str:
    percent = 100 * error
    whole = abs(percent - round(percent)) < 1e-9
    return _marked(f"{percent:.0f}" if whole else f"{percent:.1f}", f'off("{name}")')


def _three(value: float) -> str:
    """Return three digits that count."""
    return f"{value:.3g}"


def _marked(printed: str, expression: str) -> str:
    return f"{printed}<!--= {expression} -->"


def _inline(text: str) -> str:
    """Return one paragraph of Markdown as HTML, without its tag."""
    return markdown(text).removeprefix("<p>").removesuffix("</p>")


def _coded(text: str) -> str:
    """Return text with what is no word in code type: versions, files, names, calls."""
    return re.sub(
        r"(?:[^\s,;:]*[_(=.][^\s,;:]+|\w+::\w+)(?<!\.)",
        r"<code>\g<0></code>",
        html.escape(text, quote=False),
    )


_DRAWN: dict[str, Callable[[Museum], str]] = {
    "comparison": _comparison,
    "needs": _needs,
    "misses": _misses,
    "others": _others,
    "gallery": _gallery,
}
