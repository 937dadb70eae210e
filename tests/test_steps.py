"""The steps that make the site: a site in which one of them did not run fails."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.pages import ROOT

from sitebuild.steps import ALL, left_out

#: For each step a page, and what it would hold if the step had not run.
PLANTED = {
    "statements": ("learn/sigmoid/index.html", "</h1>", "</h1><!--coq: line-->"),
    "fill": ("reference/checked/index.html", "</h1>", "</h1><!--count: pages-->"),
    "terms": ("learn/line/index.html", 'class="gx-term"', 'class="term"'),
    "numbers": ("learn/line/index.html", "</h1>", "</h1>0.5<!--= half -->"),
    "figures": ("index.html", "</h1>", '</h1><img src="figure:pairing">'),
    "formulas": ("learn/line/index.html", "</h1>", '</h1><span class="arithmatex">x</span>'),
    "unsearched": ("learn/sigmoid/index.html", "<details data-search-exclude", "<details"),
    "blank lines": ("learn/line/index.html", "</h1>", "</h1>&lt;BLANKLINE&gt;"),
    "cells": ("lab/your_net/index.html", "</h1>", '</h1><div class="jp-Cell"></div>'),
    "lost": ("404.html", "<h1>There is no such page</h1>", "<h1>404 - Not found</h1>"),
    "progress": ("learn/line/index.html", 'class="gx-progress"', 'class="other"'),
    "sharing": ("teach/index.html", 'property="og:image"', 'property="og:video"'),
    "room": ("practice/museum/index.html", '"gx-wide ', '"'),
    "plain code": ("index.html", "</h1>", '</h1><span class="n">x</span>'),
    "tables": ("index.html", "</h1>", "</h1><table></table>"),
    "scripts": ("index.html", "assets/figures/figure.js", "assets/figures/other.js"),
    "sheet": ("index.html", "</head>", '<link rel="stylesheet" href="x.css"></head>'),
    "dialog": ("index.html", 'role="dialog" aria-label="Search"', 'role="dialog"'),
    "source": ("index.html", "</h1>", '</h1><a data-md-component="source"></a>'),
    "security": ("index.html", 'http-equiv="Content-Security-Policy"', 'name="policy"'),
}


def test_every_step_ran_on_the_built_site(site: Path) -> None:
    assert list(left_out(site)) == []


def test_every_step_has_its_plant() -> None:
    assert list(PLANTED) == list(ALL)


@pytest.mark.parametrize("step", PLANTED)
def test_a_step_that_did_not_run_is_named(site: Path, tmp_path: Path, step: str) -> None:
    name, shown, unshown = PLANTED[step]
    page = (site / name).read_text("utf-8")
    assert shown in page
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(page.replace(shown, unshown), "utf-8")
    for other in ("assets/site.css", "llms.txt"):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        shutil.copy(site / other, tmp_path / other)
    [said] = left_out(tmp_path)
    assert f"the step {step!r} did not run. {ALL[step].why}" in said


def test_a_builder_that_runs_no_hook_fails(tmp_path: Path) -> None:
    (tmp_path / "docs" / "learn").mkdir(parents=True)
    for name in ("index.md", "learn/one.md"):
        (tmp_path / "docs" / name).write_text("# Home\n", "utf-8")
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    config = re.sub(r"nav:.*?(?=\ntheme:)", "", config, flags=re.DOTALL)
    config = re.sub(r"(?:hooks|strict):.*\n(?:  - sitebuild.*\n)?", "", config)
    (tmp_path / "mkdocs.yml").write_text(config, "utf-8")
    run = [sys.executable, "-m"]
    subprocess.run([*run, "mkdocs", "build"], cwd=tmp_path, check=True, capture_output=True)
    command = [*run, "sitebuild", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    for step in ("terms", "progress", "lost", "sharing", "sheet", "dialog", "security"):
        assert f"the step {step!r} did not run" in done.stderr
    assert "llms.txt was not written" in done.stderr


def test_a_folder_without_a_site_fails(tmp_path: Path) -> None:
    assert next(left_out(tmp_path)) == f"{tmp_path} must hold a built site"
