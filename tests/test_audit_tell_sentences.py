"""The words: every kind of note has a sentence, and every sentence a kind of note."""

import ast
import math
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import gradexplain.audit
from gradexplain import Verdict
from gradexplain.audit.judge.case import Note, note
from gradexplain.audit.tell.sentences import _BUILT, digits, listed, places, sentence, shown, titled
from gradexplain.audit.tell.words import FACTORS, INTENDED, SENTENCES, TITLES, WEIGHTINGS

FOLDER = Path(gradexplain.audit.__file__).parent


def calls() -> Iterator[tuple[str, set[str]]]:
    """Yield the kind and the facts' names of each note that the package takes."""
    for path in sorted(FOLDER.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "note":
                    (kind,) = node.args
                    names = {keyword.arg for keyword in node.keywords if keyword.arg}
                    yield from ((each, names) for each in words(kind, function))


def words(kind: ast.expr, function: ast.FunctionDef) -> list[str]:
    """Return the word, or all that the function may give the name that stands for it."""
    if isinstance(kind, ast.Constant):
        return [str(kind.value)]
    given: list[ast.expr] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            given += [node.value] if ast.unparse(node.targets[0]) == ast.unparse(kind) else []
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
            given += [node.iter] if ast.unparse(node.target.elts[0]) == ast.unparse(kind) else []
    found = [part for each in given for part in ast.walk(each) if isinstance(part, ast.Constant)]
    assert found, ast.unparse(kind)
    return [part.value for part in found if isinstance(part.value, str)]


def test_every_kind_of_note_has_one_sentence_and_every_sentence_a_kind() -> None:
    used = {kind for kind, _ in calls()}
    assert len(used) > 40
    assert used == SENTENCES.keys() | _BUILT.keys()
    assert not SENTENCES.keys() & _BUILT.keys()


def test_every_sentence_is_given_the_facts_it_tells() -> None:
    for kind, names in calls():
        fields = {
            name for _, name, _, _ in string.Formatter().parse(SENTENCES.get(kind, "")) if name
        }
        assert fields <= names | ({"quoted"} if "types" in names else set()), kind


def test_every_sentence_is_one() -> None:
    for text in SENTENCES.values():
        assert text[0].isupper() or text[0] in "{2"
        assert text.endswith((".", "?", "_SETTLE"))


def test_every_verdict_has_a_title_and_every_way_to_judge_words() -> None:
    assert TITLES.keys() == set(Verdict)
    assert len(set(TITLES.values())) == len(TITLES)
    assert INTENDED.keys() == {"target", "part", "given", "full"}


def test_verdicts_are_slugs() -> None:
    assert all(set(verdict.value) <= {*string.ascii_lowercase, "-"} for verdict in Verdict)
    assert [verdict.value for verdict in Verdict] == [
        "exact",
        "rescaled",
        "mean-of-means",
        "mean-of-group-means",
        "dropped",
        "reweighted",
        "workers-disagree",
        "uneven",
        "extra-term",
        "counts-differ",
        "not-a-mean",
        "unexplained",
        "parts-are-sums",
        "not-reproducible",
        "ambiguous",
    ]


# Numbers, places and lists


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.0, "0"),
        (-0.0, "0"),
        (0.123456, "0.1235"),
        (1.0001, "1.0001"),
        (1.00000012345, "1.00000012"),
        (0.99999, "0.99999"),
        (-1.0001, "−1"),
        (-1234.5, "−1234"),
        (1e-9, "1e−09"),
        (123456.0, "1.235e+05"),
    ],
)
def test_numbers_have_four_digits_and_a_true_minus_sign(value: float, text: str) -> None:
    assert digits(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "parts[0]"),
        (2, "parts[0] and parts[1]"),
        (3, "parts[0], parts[1] and parts[2]"),
        (4, "parts[0], parts[1], parts[2] and parts[3]"),
        (5, "parts[0], …, parts[4] (5 parts)"),
        (6, "parts[0], …, parts[5] (6 parts)"),
    ],
)
def test_up_to_four_parts_are_listed(number: int, text: str) -> None:
    assert places(range(number)) == text
    assert places(range(number), "aux") == text.replace("parts[", "aux[")


def test_names_are_listed_as_in_prose() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert listed(["a", "b", "c"], "or") == "a, b or c"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("parts", (2, 0), "aux[2] and aux[0]"),
        ("types", ("tfloat32", "float16", "bfloat16"), "tfloat32, float16 or bfloat16"),
        ("share", 0.01234, "1.234%"),
        ("share", math.inf, "all"),
        ("ratio", (3, 3, 2), "3 : 3 : 2"),
        ("ratio", 0.41234, "0.4123"),
        ("weights", (0.1, -0.2), "0.1, −0.2"),
        ("weights", (0.5,) * 8, ", ".join(["0.5"] * 8)),
        ("weights", (0.5,) * 9, ", ".join(["0.5"] * 8) + ", …"),
        ("n", 135.0, "135"),
        ("off", 3, "3"),
        ("names", "w, b", "w, b"),
    ],
)
def test_facts_are_shown_by_what_they_are(name: str, value: object, text: str) -> None:
    assert shown(name, value, "aux") == text


# Sentences that are put together


DROPPED = {"parts": (1,), "weighting": "expected", "factor": 1.0, "renormalized": False}


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (note("exact", intended="target"), "A is the mean gradient."),
        (note("exact", intended="full"), "A is the mean gradient."),
        (note("exact", intended="part"), "A weighs every part alike, as expected."),
        (note("exact", intended="given"), "A has the weights you gave."),
        (
            note("weighs", weighting="expected", factor=1.0, intended="target"),
            "A is the mean gradient.",
        ),
        (
            note("weighs", weighting="expected", factor=-0.5, intended="full"),
            "A is the mean gradient, times −0.5.",
        ),
        (
            note("weighs", weighting="expected", factor=4.0, intended="part"),
            "A weighs the parts as expected, times 4.",
        ),
        (
            note("weighs", weighting="expected", factor=4.0, intended="given"),
            "A weighs the parts as expected, times 4.",
        ),
        (
            note("weighs", weighting="alike", factor=4.0, intended="given"),
            "A weighs every part alike, times 4.",
        ),
        (
            note("also", weighting="groups alike", factor=0.5),
            "It weighs every group alike, times 0.5.",
        ),
        (note("also", weighting="alike"), "It weighs every part alike."),
        (note("also", weighting="alike", factor=1.0), "It weighs every part alike."),
        (note("also without", parts=(0, 2)), "It could lack parts[0] and parts[2]."),
        (
            note("dropped", **DROPPED),
            "A lacks parts[1]; the others keep their proportions, not renormalized.",
        ),
        (
            note("dropped", **(DROPPED | {"factor": 2.0})),
            "A lacks parts[1]; the others keep their proportions, times 2.",
        ),
        (
            note("dropped", **(DROPPED | {"factor": 2.0, "renormalized": True})),
            "A lacks parts[1]; the others keep their proportions, renormalized to one.",
        ),
        (
            note("dropped", **(DROPPED | {"weighting": "alike", "factor": 2.0})),
            "A lacks parts[1]; the others weigh alike, times 2.",
        ),
        (note("factor", name="n", value=135.0), "n = 135: summed over the targets, never divided."),
        (note("factor", name="K·n", value=540.0), "The factor is K·n = 540."),
        (
            note(
                "extra",
                columns=(("extra['a']", 0.5), ("extra['b']", -1.0)),
                weighting="alike",
                factor=4.0,
            ),
            (
                "Apart from the extra columns, A weighs every part alike, times 4; it holds 0.5 × "
                "extra['a'] and −1 × extra['b']."
            ),
        ),
        (
            note(
                "by counts",
                verdict=Verdict.EXACT,
                claim=note("exact", intended="target"),
                factor=1.0,
            ),
            "By the counts only: A is the mean gradient.",
        ),
        (
            note("sum", parts=(0, 1), ratio=0.5),
            "Together, parts[0] and parts[1] weigh 0.5 times what they should.",
        ),
        (note("loss scale", power=5), "2^5: a loss scale that was not divided out."),
        (
            note("loss scale undone", power=5),
            "2^−5: a loss scale that was divided out twice, or never applied.",
        ),
    ],
)
def test_a_note_is_a_sentence(found: Note, text: str) -> None:
    assert sentence(found) == text


def test_an_arithmetic_is_quoted_as_the_option_takes_it() -> None:
    text = sentence(note("arithmetic", share=0.001, types=("float16", "bfloat16")))
    assert text.startswith(
        "0.1% of A is not a weighted sum of the parts, which is no more than rounding in float16 "
        'or bfloat16 leaves. If one of these was used, pass arithmetic="float16" or "bfloat16".'
    )


def test_parts_of_a_term_are_named_after_it() -> None:
    assert shown("parts", (1,)) == "parts[1]"
    assert sentence(note("also without", parts=(0,)), "aux") == "It could lack aux[0]."
    assert sentence(note("negative", parts=(3,)), "aux") == "Negative weights: aux[3]."
    assert "aux[1]" in sentence(note("dropped", **DROPPED), "aux")
    assert "aux[1]" in sentence(
        note("by counts", verdict=Verdict.DROPPED, claim=note("dropped", **DROPPED), factor=1.0),
        "aux",
    )


def test_every_weighting_has_a_verb_phrase_and_every_named_factor_a_meaning() -> None:
    for name, phrase in WEIGHTINGS.items():
        text = sentence(note("weighs", weighting=name, factor=1.0, intended="target"))
        assert text == f"A {phrase}."
    for name, meaning in FACTORS.items():
        assert sentence(note("factor", name=name, value=0.25)) == f"{name} = 0.25: {meaning}."
    assert sentence(note("factor", name="0.25", value=0.25)) == "The factor is 0.25."


def test_terms_are_said_to_be_missing_only_where_nothing_of_them_is_left() -> None:
    wrong = ("a", Verdict.DROPPED, 0.0), ("b", Verdict.DROPPED, 1.0), ("c", Verdict.REWEIGHTED, 0.0)
    assert sentence(note("terms", wrong=wrong, right=("d", "e"))) == (
        "A is missing, b is dropped and c is reweighted; d and e are exact."
    )


def test_a_title_that_asks_is_no_claim_of_a_term() -> None:
    wrong = (("loss", Verdict.PARTS_ARE_SUMS, 1.0),)
    said = sentence(note("terms", wrong=wrong, right=("aux",)))
    assert said == "Loss may have parts that are sums; aux is exact."


def test_a_title_before_a_sentence_ends_with_one_mark() -> None:
    assert titled(Verdict.EXACT, "It is.") == "exact. It is."
    assert titled(Verdict.PARTS_ARE_SUMS, "It is.") == "are the parts sums? It is."


def test_what_the_losses_say_of_a_term_is_in_its_name() -> None:
    claim = note("lacking", parts=(1,))
    assert sentence(note("at the losses", claim=claim), "boxes") == (
        "At the losses themselves: It may lack boxes[1]: rounding hides whether it does."
    )
