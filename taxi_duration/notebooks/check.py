"""What stands between a notebook and CI: each fault with its cell and what to do about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_duration.errors import NotebookError, printable
from taxi_duration.notebooks.cell_names import find_undefined, find_unread, parse, read_magics
from taxi_duration.notebooks.cell_outputs import IGNORED, differ
from taxi_duration.notebooks.discovery import read_notebook
from taxi_duration.notebooks.kernel import TIMEOUT, execute_copy
from taxi_duration.notebooks.leaks import find_leaks
from taxi_duration.notebooks.parameters import read_parameters

if TYPE_CHECKING:
    from nbformat import NotebookNode

Found = tuple[int | None, str]
"""The position of a cell from 0, or None for the whole notebook; and what is wrong."""

RUN_ALL = "Restart the kernel, run all cells and save."
HIDDEN = "It depends on a cell that is gone or ran elsewhere, or on other versions."
STEADY = (
    "Set a seed; show nothing of times, ids, addresses and what an earlier run has left; or tag "
    f"the cell {IGNORED!r}."
)
SKIPPED = "nbval-skip"
MARKS = {
    "NBVAL_IGNORE_OUTPUT": IGNORED,
    "PYTEST_VALIDATE_IGNORE_OUTPUT": IGNORED,  # as nbval was called at first
    "NBVAL_RAISES_EXCEPTION": "raises-exception",
    "NBVAL_SKIP": SKIPPED,
}
LOGIC = {
    ast.FunctionDef: "a def",
    ast.AsyncFunctionDef: "a def",
    ast.ClassDef: "a class",
    ast.For: "a loop",
    ast.AsyncFor: "a loop",
    ast.While: "a loop",
}
SHOWN = (ast.Name, ast.Attribute, ast.Subscript, ast.JoinedStr, ast.BinOp, ast.Compare,
         ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.DictComp)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What is wrong with a notebook or, counted from 1, with one of its cells."""

    path: Path
    cell: int | None
    text: str

    def __str__(self) -> str:
        """Return one line, such as `eda.ipynb:cell 3: it was never executed. ...`."""
        cell = f"cell {self.cell}: " if self.cell else " "
        return printable(f"{self.path}:{cell}{self.text}")


def find_faults(path: Path, *, run: bool = True, timeout: int = TIMEOUT) -> list[Fault]:
    """Return everything that is wrong with a notebook, in the order of its cells.

    Parameters
    ----------
    run : bool
        Whether to run it too, twice, in kernels of this Python: that finds hidden state.
    timeout : int
        Seconds that a cell may take.
    """
    try:
        notebook = read_notebook(path)
    except NotebookError as problem:
        return [Fault(path, None, str(problem))]
    _tag_by_comments(notebook)
    found = list(find_written(notebook))
    is_python = _language(notebook) == "python"
    if run and is_python and not any(_defines_its_names(notebook)):  # else a run ends there
        found += _find_hidden_state(notebook, path.parent, timeout)
    ordered = sorted(dict.fromkeys(found), key=lambda each: -1 if each[0] is None else each[0])
    return [Fault(path, None if at is None else at + 1, text) for at, text in ordered]


def _tag_by_comments(notebook: NotebookNode) -> None:
    """Tag the cells that nbval knows by its own comments or tags; one that it skips is no code."""
    for _, cell in list(_code(notebook)):
        lines = [line.strip() for line in cell.source.splitlines()]
        named = {line.lstrip("# ") for line in lines if line.startswith("#")}
        named |= {tag.upper().replace("-", "_") for tag in _tags(cell)}
        cell.metadata["tags"] = _tags(cell) + [MARKS[name] for name in MARKS.keys() & named]
        if SKIPPED in cell.metadata["tags"]:
            cell.cell_type = "raw"


def find_written(notebook: NotebookNode) -> Iterator[Found]:
    """Yield what is wrong with a notebook as it is written, without running it."""
    if (language := _language(notebook)) != "python":
        yield None, f"it is written in {language!r}. Only notebooks in Python can be checked."
        return
    for rule in RULES:
        yield from rule(notebook)


def _find_hidden_state(notebook: NotebookNode, folder: Path, timeout: int) -> Iterator[Found]:
    """Yield the cells that fail or show something else in a fresh kernel than is stored.

    The notebook is run twice in a folder, so that what differs from run to run is told apart from
    what depends on cells that were removed, or run in another order.
    """
    (first, failure), (second, later) = (execute_copy(notebook, folder, timeout) for _ in range(2))
    failure = failure or later
    end = len(notebook.cells) if failure is None else failure[0]
    for at, cell in _code(notebook):
        if at >= end or IGNORED in _tags(cell):
            continue
        once, again = first.cells[at].outputs, second.cells[at].outputs
        if how := differ(once, again):
            yield at, f"each run shows something else: {how}. {STEADY}"
        elif cell.execution_count is not None and (how := differ(cell.outputs, once)):
            text = f"run from top to bottom it shows something else than is stored: {how}."
            yield at, f"{text} {HIDDEN} {RUN_ALL}"
    if failure:
        yield failure


def _is_executed_in_order(notebook: NotebookNode) -> Iterator[Found]:
    code = [(at, cell.execution_count) for at, cell in _code(notebook) if cell.source.strip()]
    if code and not any(count for _, count in code):
        yield None, f"no cell was executed, so there is no output to compare. {RUN_ALL}"
        return
    yield from ((at, f"it was never executed. {RUN_ALL}") for at, count in code if count is None)
    ran = [(at, count) for at, count in code if count is not None]
    rising, last = _longest_rising([count for _, count in ran]), 0
    for number, (at, count) in enumerate(ran):
        if number not in rising:
            yield at, f"it ran as [{count}], before a cell above it or after one below. {RUN_ALL}"
            continue
        if gone := set(range(last + 1, count)) - {other for _, other in ran}:
            cells = "a cell" if len(gone) == 1 else f"{len(gone)} cells"
            yield at, f"{cells} ran before it and cannot be found: changed or removed. {RUN_ALL}"
        last = count


def _keeps_its_outputs(notebook: NotebookNode) -> Iterator[Found]:
    for at, cell in _code(notebook):
        last = parse(cell.source).body[-1:]
        source = cell.source.strip()
        is_silent = source.endswith(";") or source[:2] == "%%" or cell.execution_count is None
        is_value = last and isinstance(last[0], ast.Expr) and isinstance(last[0].value, SHOWN)
        if is_value and not cell.outputs and not is_silent:
            yield at, f"it ends with a value, but its output is missing. {RUN_ALL}"


def _shows_no_error(notebook: NotebookNode) -> Iterator[Found]:
    for at, cell in _code(notebook):
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in _tags(cell):
                name = output.ename
                yield at, f"it shows an error, {name}. Correct it, or tag it 'raises-exception'."
            elif output.get("name") == "stderr" and "stderr" not in cell.source:
                yield at, "it shows a warning on stderr. Correct what it warns of."


def _describes_its_pictures(notebook: NotebookNode) -> Iterator[Found]:
    for at, cell in _code(notebook):
        for output in cell.outputs:
            kinds = [kind for kind in output.get("data", ()) if kind.startswith("image/")]
            if kinds and not any(output.metadata.get(kind, {}).get("alt") for kind in kinds):
                how = f"display(figure, metadata={{{kinds[0]!r}: {{'alt': '...'}}}})"
                yield at, f"it shows a picture without a description. Give it one: {how}."


def _declares_its_parameters(notebook: NotebookNode) -> Iterator[Found]:
    tagged = [(at, cell) for at, cell in _code(notebook) if "parameters" in _tags(cell)]
    for at, cell in tagged:
        try:
            for each in read_parameters(cell.source):
                if not each.help:
                    yield at, f"parameter {each.name!r} has no help. Write it behind: # what it is."
        except NotebookError as problem:
            yield at, str(problem)
    for at, _ in tagged[1:]:
        yield at, "it is a second cell with the tag 'parameters'. Make one of both."


def _defines_its_names(notebook: NotebookNode) -> Iterator[Found]:
    places = [at for at, _ in _code(notebook)]
    for number, text in find_undefined([cell.source for _, cell in _code(notebook)]):
        if "raises-exception" not in _tags(notebook.cells[places[number]]):
            yield places[number], text


def _reads_its_names(notebook: NotebookNode) -> Iterator[Found]:
    places = [at for at, _ in _code(notebook)]
    for number, text in find_unread([cell.source for _, cell in _code(notebook)]):
        yield places[number], text


def _calls_a_module(notebook: NotebookNode) -> Iterator[Found]:
    for at, cell in _code(notebook):
        kinds = {LOGIC.get(type(node), "") for node in ast.walk(parse(cell.source))} - {""}
        for kind in sorted(kinds):
            yield at, f"it has {kind}. Move it into a module, where tests reach it, and import it."


def _is_plain_python(notebook: NotebookNode) -> Iterator[Found]:
    for at, cell in _code(notebook):
        for method, name, text in read_magics(cell.source):
            if method in ("system", "getoutput"):
                program = text.split()[:1] or [""]
                yield at, f"it runs '!{program[0]}'. Do that before the notebook, or in Python."
            elif name in ("matplotlib", "pylab"):
                yield at, f"it has '%{name}'. Remove it: Jupyter shows figures without."
            elif name.startswith("pinfo"):
                yield at, f"it asks for help on {text.strip()!r}. Remove it."
            else:
                signs = "%%" if method == "run_cell_magic" else "%"
                yield at, f"it has the magic '{signs}{name}'. Write it in Python, or remove it."


RULES = (
    _is_executed_in_order,
    _keeps_its_outputs,
    _shows_no_error,
    _describes_its_pictures,
    _declares_its_parameters,
    _defines_its_names,
    _reads_its_names,
    _calls_a_module,
    _is_plain_python,
    find_leaks,
)


def _longest_rising(counts: Sequence[int]) -> list[int]:
    """Return the positions of the most counts that rise: so the fewest are out of order."""
    ending: list[list[int]] = []  # for each position, the longest series that ends there
    for at, count in enumerate(counts):
        before = (ending[other] for other in range(at) if counts[other] < count)
        ending.append([*max(before, key=len, default=[]), at])
    return max(ending, key=len, default=[])


def _language(notebook: NotebookNode) -> str:
    metadata = notebook.metadata
    named = [metadata.get("language_info", {}).get("name"),
             metadata.get("kernelspec", {}).get("language")]  # fmt: skip
    return next(filter(None, named), "python").lower()


def _code(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    return ((at, cell) for at, cell in enumerate(notebook.cells) if cell.cell_type == "code")


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])
