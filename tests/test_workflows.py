"""The workflows: one gate that forgets no job, actions by their bytes, and no right too many."""

import re
from typing import Any

import yaml  # type: ignore[import-untyped]
from support.pages import ROOT

FOLDER = ROOT / ".github" / "workflows"
Workflow = dict[Any, Any]


def workflows() -> dict[str, Workflow]:
    return {path.name: yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.glob("*.yml")}


def steps(workflow: Workflow) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def targets(text: str) -> set[str]:
    """Return what a script makes."""
    return set(re.findall(r"^\s*make ([a-z-]+)", text, re.MULTILINE))


def forgotten(workflow: Workflow, gate: str) -> set[str]:
    """Return the jobs that another one does not wait for."""
    return set(workflow["jobs"]) - {gate, *workflow["jobs"][gate]["needs"]}


def writers(workflow: Workflow) -> dict[str, set[str]]:
    """Return what each job may write; a job that says nothing may do nothing."""
    assert workflow["permissions"] == {}
    given = {name: job.get("permissions", {}) for name, job in workflow["jobs"].items()}
    return {
        name: {right for right, value in rights.items() if value == "write"}
        for name, rights in given.items()
        if "write" in rights.values()
    }


def test_the_gate_waits_for_every_job() -> None:
    workflow = workflows()["ci.yml"]
    assert forgotten(workflow, "gate") == set()
    workflow["jobs"]["new"] = {}
    assert forgotten(workflow, "gate") == {"new"}


def test_only_the_jobs_that_publish_may_write() -> None:
    found = workflows()
    assert writers(found["ci.yml"]) == {}
    assert writers(found["pages.yml"]) == {"deploy": {"pages", "id-token"}}
    assert writers(found["release.yml"]) == {"publish": {"attestations", "id-token"}}
    publish = found["release.yml"]["jobs"]["publish"]
    assert publish["environment"]["name"] == "pypi"
    assert not [step for step in publish["steps"] if "run" in step]  # nothing of ours runs there


def test_a_release_tests_and_publishes_what_it_built_once() -> None:
    workflow = workflows()["release.yml"]
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML reads the word `on` as true
    assert forgotten(workflow, "publish") == set()
    assert workflow["jobs"]["test"]["needs"] == "build"
    runs = {
        name: [step.get("run") for step in job["steps"]] for name, job in workflow["jobs"].items()
    }
    checked = 'python tests/release/version.py "$GITHUB_REF_NAME"'
    assert runs["build"].index(checked) < runs["build"].index("make dist")
    assert sum(run == "make dist" for job in runs.values() for run in job) == 1


def test_one_command_makes_what_ci_makes() -> None:
    made = targets((ROOT / ".ci" / "run").read_text("utf-8"))
    ci = targets("\n".join(step.get("run", "") for step in steps(workflows()["ci.yml"])))
    assert {"test", "check", "wheel", "build", "browser", "mutate-docs"} <= ci
    # The tests of `quick` are those of the wheel, and `browser` builds the site.
    assert ci - made == {"quick", "build"}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    known = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    used = made.union(*(targets(path.read_text("utf-8")) for path in FOLDER.iterdir()))
    assert used <= known
