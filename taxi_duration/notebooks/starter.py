"""A beginning: a new notebook that passes the check, or a new project with our notebooks."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from taxi_duration import __version__
from taxi_duration.errors import NotebookError, UsageError, check_name
from taxi_duration.notebooks.discovery import missing_library, shared_files

TEMPLATES = Path(__file__).parent / "templates"
PLACES = {
    "Makefile": "Makefile",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/notebooks.yml",
}
FENCE = re.compile(r"\n*```(?:python)?\n+")  # between text and code


def start_notebook(name: str, folder: Path) -> Path:
    """Write a notebook with parameters, a short story and a result, executed once; return where."""
    stem = check_name(name.removesuffix(".ipynb"))
    path = folder / f"{stem}.ipynb"
    if path.exists():
        raise UsageError(f"Notebook {str(path)!r} exists already. Take another name.")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is no folder. Name another: --into.")
    text = _executed(stem)
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return path


def start_project(folder: Path) -> list[Path]:
    """Make a folder with our notebooks, a Makefile and a workflow for CI; return its files."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{str(folder)!r} exists already. Name a new folder.")
    files = list(_project())
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
        made = Path(place, "project")
        for path, text in files:
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_text(text, encoding="utf-8")
        made.rename(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _executed(stem: str) -> str:
    try:
        from nbformat import v4, writes

        from taxi_duration.notebooks.kernel import execute_copy
    except ImportError as problem:
        raise missing_library(problem) from problem
    title = re.sub(r"[\W_\d]+", " ", stem).strip().capitalize() or "Question"
    story = (TEMPLATES / "notebook.md").read_text("utf-8").replace("TITLE", title)
    cells = [
        (v4.new_code_cell if at % 2 else v4.new_markdown_cell)(text, id=f"cell-{at + 1:02}")
        for at, text in enumerate(FENCE.split(story)[:-1])
    ]
    cells[1].metadata.tags = ["parameters"]
    made, failure = execute_copy(v4.new_notebook(cells=cells), Path())
    if failure:
        raise NotebookError(f"The new notebook cannot be executed: {failure[1]}")
    return writes(made) + "\n"


def _project() -> Iterator[tuple[str, str]]:
    """Yield the files of a project, each with its text."""
    for name, place in PLACES.items():
        text = (TEMPLATES / "project" / name).read_text("utf-8")
        yield place, text.replace("VERSION", __version__).replace("ORIGIN", _origin())
    shared = shared_files()
    if "requirements.txt" not in {path.name for path in shared}:  # as in the container image
        raise NotebookError(
            "The notebooks' requirements.txt is not installed here. Install taxi-duration's wheel."
        )
    for path in shared:
        where = "notebooks" if path.suffix == ".ipynb" else "."
        yield f"{where}/{path.name}", path.read_text("utf-8")


def _origin() -> str:
    """Return what pip has to install to get the package that is installed here (PEP 610)."""
    record = json.loads(distribution("taxi-duration").read_text("direct_url.json") or "{}")
    if vcs := record.get("vcs_info"):
        return f"{vcs['vcs']}+{record['url']}@{vcs['commit_id']}"
    return record.get("url", f"taxi-duration=={__version__}")
