"""The words: every kind of note has a sentence, and every sentence a kind of note."""

import pytest

from gradexplain.audit.tell.sentences import places


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
    assert places(list(range(number))) == text
