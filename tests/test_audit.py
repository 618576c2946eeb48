"""The report on vulnerabilities of the pinned libraries: what it says, above all of no answer."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
audit = runpy.run_path(str(ROOT / ".ci" / "audit.py"))["audit"]
CLEAN = {"name": "click", "version": "8.3.1", "vulns": []}
SKIPPED = {"name": "zipp", "skip_reason": "Dependency not found on PyPI"}
VULNERABLE = {
    "name": "jinja2",
    "version": "3.1.2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.3"]}, {"id": "GHSA-2", "fix_versions": []}],
}


@pytest.fixture
def report(tmp_path):
    """Audit with a program in place of pip-audit, which writes this and that."""

    def report(out, err=""):
        (tmp_path / "out").write_text(out)
        (tmp_path / "err").write_text(err)
        (tmp_path / "uv").write_text(f"#!/bin/sh\ncat {tmp_path}/out; cat {tmp_path}/err >&2\n")
        (tmp_path / "uv").chmod(0o755)
        return audit(str(tmp_path / "uv"), ["requirements.txt"])

    return report


def libraries(*each):
    return json.dumps({"dependencies": each, "fixes": []})


def test_each_vulnerability_is_a_line_and_a_failure(report):
    lines, code = report(libraries(CLEAN, VULNERABLE, SKIPPED))
    assert lines == [
        "jinja2 3.1.2: PYSEC-1, fixed in 3.1.3",
        "jinja2 3.1.2: GHSA-2, fixed in no version",
        "3 libraries, 2 vulnerabilities, 1 not audited",
    ]
    assert code == 1


def test_none_is_a_success(report):
    lines, code = report(libraries(CLEAN, SKIPPED))
    assert (lines, code) == (["2 libraries, 0 vulnerabilities, 1 not audited"], 0)


@pytest.mark.parametrize(
    ("out", "err", "reason"),
    [
        ("", "Traceback\nConnectionError: no route", "ConnectionError: no route"),
        (libraries(SKIPPED), "", "Dependency not found on PyPI"),
        ("", "", "no output"),
        (libraries(), "", "no libraries"),
    ],
    ids=["no network", "no library found", "nothing", "no libraries"],
)
def test_where_nothing_can_be_asked_one_line_says_so_and_nothing_fails(report, out, err, reason):
    lines, code = report(out, err)
    assert lines == [f"Nothing is audited, since the advisories cannot be read: {reason}"]
    assert code == 0


def test_without_uv_one_line_says_so():
    (line,), code = audit("/nowhere/uv", [])
    assert (code, line.endswith("No such file or directory: '/nowhere/uv'")) == (0, True)
