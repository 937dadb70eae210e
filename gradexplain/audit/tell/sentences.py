"""From a note of a finding to a sentence."""

import math
from collections.abc import Callable, Iterable, Mapping

from gradexplain.audit.judge.case import Note, Verdict
from gradexplain.audit.tell.words import FACTORS, REPORTED, SENTENCES, TITLES, WEIGHTINGS


def sentence(note: Note, term: str = "") -> str:
    """Return a note as a sentence; parts are named after the term they belong to."""
    text = _sentence(note, term)
    return f"It {text.removeprefix('A ')}" if term and text.startswith("A ") else text


def _sentence(note: Note, term: str) -> str:
    built = _BUILT.get(note.kind)
    if built is not None:
        return built(note.facts, term)
    facts = {name: shown(name, value, term) for name, value in note.facts.items()}
    if "types" in note.facts:
        facts["quoted"] = " or ".join(f'"{name}"' for name in _strings(note.facts["types"]))
    return SENTENCES[note.kind].format_map(facts)


def titled(verdict: Verdict, says: str) -> str:
    """Put a verdict's title before a sentence: "exact. A is the mean gradient."."""
    title = TITLES[verdict]
    return f"{title}{'' if title.endswith('?') else '.'} {says}"


def digits(value: float, most: int = 4) -> str:
    """Write a number to so many digits, with a true minus sign; one that is almost one, to nine.

    >>> digits(-1234.5), digits(1.00012), digits(-0.0)
    ('−1234', '1.00012', '0')
    """
    short = f"{value + 0.0:.{most}g}"
    return (f"{value:.9g}" if short == "1" else short).replace("-", "−")


def places(indices: Iterable[int], term: str = "") -> str:
    """Name parts by their places: "parts[2]", "parts[0] and parts[3]", "parts[0], … (9 parts)"."""
    names = [f"{term or 'parts'}[{int(k)}]" for k in indices]
    if len(names) > 4:
        return f"{names[0]}, …, {names[-1]} ({len(names)} parts)"
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def shown(name: str, value: object, term: str = "") -> str:
    """Return one fact as it is printed."""
    if name == "parts":
        return places(value, term)  # type: ignore[arg-type]
    if name == "types":
        return listed(_strings(value), "or")
    if name == "share":
        return f"{digits(100 * float(value))}%" if value != math.inf else "all"  # type: ignore[arg-type]
    if name == "ratio" and isinstance(value, tuple):
        return " : ".join(str(number) for number in value)
    if name == "weights":
        numbers = [digits(float(w)) for w in value]  # type: ignore[attr-defined]
        return ", ".join(numbers[:8]) + (", …" if len(numbers) > 8 else "")
    return digits(value) if isinstance(value, float) else str(value)


def listed(names: Iterable[str], word: str = "and") -> str:
    """Return names as a list in prose: "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def capitalized(text: str) -> str:
    """Return a text that begins with a capital."""
    return text[0].upper() + text[1:]


def _strings(value: object) -> list[str]:
    return [str(each) for each in value]  # type: ignore[attr-defined]


def _times(factor: object) -> str:
    return "" if factor in {None, 1.0} else f", times {digits(float(factor))}"  # type: ignore[arg-type]


def _weighs(facts: Mapping[str, object], _: str) -> str:
    name = str(facts["weighting"])
    if name == "expected" and facts["intended"] in {"part", "given"}:
        return f"A weighs the parts as expected{_times(facts['factor'])}."
    return f"A {WEIGHTINGS[name]}{_times(facts['factor'])}."


def _also(facts: Mapping[str, object], _: str) -> str:
    return f"It {WEIGHTINGS[str(facts['weighting'])]}{_times(facts.get('factor'))}."


def _also_without(facts: Mapping[str, object], term: str) -> str:
    return f"It could lack {shown('parts', facts['parts'], term)}."


def _exact(facts: Mapping[str, object], _: str) -> str:
    return {
        "target": "A is the mean gradient.",
        "part": "A weighs every part alike, as expected.",
        "given": "A has the weights you gave.",
        "full": "A is the mean gradient.",
    }[str(facts["intended"])]


def _dropped(facts: Mapping[str, object], term: str) -> str:
    text = f"A lacks {shown('parts', facts['parts'], term)}; the others "
    text += "weigh alike" if facts["weighting"] == "alike" else "keep their proportions"
    if facts["renormalized"]:
        return f"{text}, renormalized to one."
    if facts["factor"] == 1.0:
        return f"{text}, not renormalized."
    return f"{text}{_times(facts['factor'])}."


def _doubled(facts: Mapping[str, object], term: str) -> str:
    parts = facts["parts"]
    return f"{shown('parts', parts, term)} {_be(_strings(parts))} counted twice."


def _factor(facts: Mapping[str, object], _: str) -> str:
    name, value = str(facts["name"]), float(facts["value"])  # type: ignore[arg-type]
    equals = "" if name == digits(value) else f" = {digits(value)}"
    meaning = FACTORS.get(name)
    return f"{name}{equals}: {meaning}." if meaning else f"The factor is {name}{equals}."


def _extra(facts: Mapping[str, object], _: str) -> str:
    columns = [f"{digits(c)} × {name}" for name, c in facts["columns"]]  # type: ignore[attr-defined]
    weighs = f"{WEIGHTINGS[str(facts['weighting'])]}{_times(facts['factor'])}"
    return f"Apart from the extra columns, A {weighs}; it holds {listed(columns)}."


def _terms(facts: Mapping[str, object], _: str) -> str:
    right = _strings(facts["right"])
    off = [_term(*each) for each in facts["wrong"]]  # type: ignore[attr-defined]
    if not off:
        return f"Each term is exact: {listed(right)}."
    also = f"; {listed(right)} {_be(right)} exact" if right else ""
    return capitalized(f"{listed(off)}{also}.")


def _term(name: str, verdict: Verdict, factor: float) -> str:
    if verdict is Verdict.DROPPED and factor == 0:
        return f"{name} is missing"
    if verdict is Verdict.RESCALED:
        return f"{name} counts {digits(factor)} times as much as it should"
    if verdict is Verdict.PARTS_ARE_SUMS:
        return f"{name} may have parts that are sums"
    article = "a " if TITLES[verdict].startswith("mean") else ""
    return f"{name} is {article}{TITLES[verdict]}"


def _be(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _by_counts(facts: Mapping[str, object], term: str) -> str:
    claim: Note = facts["claim"]  # type: ignore[assignment]
    return f"By the counts only: {sentence(claim, term)}"


def _at_the_losses(facts: Mapping[str, object], term: str) -> str:
    claim: Note = facts["claim"]  # type: ignore[assignment]
    return f"At the losses themselves: {sentence(claim, term)}"


def _as_it_is_read(facts: Mapping[str, object], term: str) -> str:
    claim: Note = facts["claim"]  # type: ignore[assignment]
    return f"Taken as one mean over all of its targets: {sentence(claim, term)}"


def _reported(facts: Mapping[str, object], _: str) -> str:
    name, power = str(facts["weighting"]), str(facts["power"])
    what = f"{REPORTED[name]}{_times(facts['factor'])}"
    if name == "expected" and facts["intended"] in {"part", "given"}:
        what = f"the mean that you expect{_times(facts['factor'])}"
    if power == "exp of":
        return f"The reported value is the exponential of {what}: a perplexity."
    if power == "of exp":
        end = "but taken of exponentials; a perplexity is the exponential of a mean loss."
        return f"The reported value is {what}, {end}"
    return f"The reported value is {what}."


def _also_reported(facts: Mapping[str, object], term: str) -> str:
    claim: Note = facts["claim"]  # type: ignore[assignment]
    return sentence(claim, term).replace("The reported value is", "It could be")


_BUILT: dict[str, Callable[[Mapping[str, object], str], str]] = {
    "exact": _exact,
    "weighs": _weighs,
    "also": _also,
    "also without": _also_without,
    "dropped": _dropped,
    "doubled": _doubled,
    "factor": _factor,
    "extra": _extra,
    "terms": _terms,
    "by counts": _by_counts,
    "at the losses": _at_the_losses,
    "as it is read": _as_it_is_read,
    "reported": _reported,
    "also reported": _also_reported,
}
