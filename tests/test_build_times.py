"""The clock that shows where a build's time goes counts each second once."""

from collections import defaultdict
from itertools import count

import pytest

from bench import site


def test_a_call_s_own_seconds_are_told_from_those_of_the_calls_inside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = count()  # the clock moves on by one whenever it is read
    monkeypatch.setattr(site, "perf_counter", lambda: float(next(ticks)))
    monkeypatch.setattr(site, "work", defaultdict(float))
    monkeypatch.setattr(site, "pages", defaultdict(float))
    inner = site.clocked(lambda word: word * 2, lambda *_: "inner")
    outer = site.clocked(lambda word: inner(inner(word)), lambda *_: "outer", lambda word: word)
    assert outer("a") == "aaaa"
    assert dict(site.work) == {"inner": 2.0, "outer": 3.0}
    assert dict(site.pages) == {"a": 5.0}


def test_what_fails_is_counted_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "work", defaultdict(float))
    fail = site.clocked(lambda: 1 / 0, lambda: "fails")
    with pytest.raises(ZeroDivisionError):
        fail()
    assert site.work["fails"] > 0
    assert site._inside == []  # noqa: SLF001 - no call is under way any more


def test_a_table_names_the_slowest_first_and_leaves_out_what_takes_no_time() -> None:
    assert site.table("t", {"a": 0.5, "b": 0.001, "c": 2}) == "t\n   2.00 s  c\n   0.50 s  a\n\n"
