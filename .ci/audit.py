"""Known vulnerabilities of the pinned libraries, by pip-audit; says so where it cannot ask."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

TOOL = "pip-audit==2.10.1"
HOW = ["--disable-pip", "--progress-spinner", "off", "--format", "json"]


def audit(uv: str, files: Sequence[str]) -> tuple[list[str], int]:
    """Return the lines to print, and 1 if there is a vulnerability."""
    words = [uv, "tool", "run", TOOL, *HOW, *(word for file in files for word in ("-r", file))]
    try:
        done = subprocess.run(words, capture_output=True, text=True)  # noqa: S603
        libraries = json.loads(done.stdout)["dependencies"]
    except OSError as problem:
        return [_not_audited(str(problem))], 0
    except ValueError:
        return [_not_audited((done.stderr.strip().splitlines() or ["no output"])[-1])], 0
    skipped = [each for each in libraries if "skip_reason" in each]
    if len(skipped) == len(libraries):  # pip-audit itself takes that for a success
        return [_not_audited(skipped[0]["skip_reason"] if skipped else "no libraries")], 0
    found = [line for each in libraries for line in _found(each)]
    counts = f"{len(libraries)} libraries, {len(found)} vulnerabilities, {len(skipped)} not audited"
    return [*found, counts], int(bool(found))


def _not_audited(reason: str) -> str:
    return f"Nothing is audited, since the advisories cannot be read: {reason}"


def _found(library: Mapping) -> Iterator[str]:
    for each in library.get("vulns", ()):
        fixed = ", ".join(each["fix_versions"]) or "no version"
        yield f"{library['name']} {library['version']}: {each['id']}, fixed in {fixed}"


if __name__ == "__main__":
    lines, code = audit(sys.argv[1], sys.argv[2:])
    sys.stdout.write("\n".join([*lines, ""]))
    sys.exit(code)
