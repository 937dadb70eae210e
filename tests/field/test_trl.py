"""TRL's trainers are read as their losses are meant: by tokens, pairs, sequences, or refused."""

import importlib.util
from pathlib import Path

import pytest

if importlib.util.find_spec("trl") is None:
    pytest.skip(
        "the set of 2024 has no TRL: the newer one runs all of these", allow_module_level=True
    )

from field.trainers_trl import TRL
from gradexplain.integrations.transformers import audit_trainer

LATER = {"grpo-penalty": 3, "grpo-penalty-plain": 3}  # steps at which the reference is behind


@pytest.mark.parametrize("name", [name for name, one in TRL.items() if one.right])
def test_the_right_trainer_is_exact(name: str, tmp_path: Path) -> None:
    make = TRL[name].right
    assert make is not None
    report = audit_trainer(make(str(tmp_path)), step=LATER.get(name, 1))
    assert report.ok is True, report


@pytest.mark.parametrize("name", [name for name, one in TRL.items() if one.wrong])
def test_the_wrong_trainer_is_named(name: str, tmp_path: Path) -> None:
    one = TRL[name]
    assert one.wrong is not None
    report = audit_trainer(one.wrong(str(tmp_path)))
    assert report.verdict.value == one.verdict, report
    assert one.words in " ".join(str(report).split())
