"""Rules for a notebook of ours, beside those of `check` for anyone's; each returns complaints."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from nbformat import NotebookNode

from taxi_duration.notebooks.cell_names import parse
from taxi_duration.notebooks.check import find_written

__all__ = ["RULES", "complaints"]

CELLS = range(25, 46)
LINES = 12  # of code in a cell
WORDS = 40  # of prose before it
ROOMS = ("data", "evaluation", "models", "registry", "serving", "tracking")
MOST_ROOMS, MOST_IMPORTS = 4, 5  # `plots` beside
NUMBERS = {"0", "1", "60"}  # the rule of what a ride is; every other one comes from a run
IN_PROSE = re.compile(r"(?<![\w.])\d[\d.,]*%?")
NUMBER_WORDS = re.compile(
    r"\b(?:four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|dozen|hundred|thousand)\b",
    re.IGNORECASE,
)  # up to three, they count what stays: a split has three months
IN_BRACKETS = re.compile(r"(?<=import )\([^)]*\)")
HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
NOT_PROSE = re.compile(r"```[^`]*```|`[^`]*`|\]\([^)]*\)|\*\*\d\d_\w+\*\*")
TAGS = {"parameters", "nbval-ignore-output"}
MOST_UNCHECKED = 2  # cells whose output may differ from run to run
STATEMENTS = {
    ast.Lambda: "a lambda",
    ast.comprehension: "a loop",
    ast.Try: "a try",
}

Rule = Callable[[NotebookNode], Iterator[str]]


def complaints(notebook: NotebookNode) -> list[str]:
    """Return everything that is wrong with a notebook."""
    written = [f"cell {at}: {text}" for at, text in find_written(notebook)]
    return written + [complaint for rule in RULES for complaint in rule(notebook)]


def _opens_with_a_question(notebook: NotebookNode) -> Iterator[str]:
    if not re.match(r"# .*\?\n", notebook.cells[0].source + "\n"):
        yield "the title is not a question"


def _has_a_usual_length(notebook: NotebookNode) -> Iterator[str]:
    if len(notebook.cells) not in CELLS:
        yield f"{len(notebook.cells)} cells, not {CELLS[0]} to {CELLS[-1]}"


def _declares_its_parameters(notebook: NotebookNode) -> Iterator[str]:
    if not any("parameters" in cell.metadata.get("tags", ()) for cell in notebook.cells):
        yield "no cell is tagged 'parameters'"


def _keeps_its_outputs(notebook: NotebookNode) -> Iterator[str]:
    for at, cell in _code(notebook):
        statements = parse(cell.source).body
        if statements and isinstance(statements[-1], ast.Expr) and not cell.outputs:
            yield f"cell {at} ends with a value, but shows none"


def _is_checked(notebook: NotebookNode) -> Iterator[str]:
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    unknown = set().union(*tags) - TAGS
    yield from (f"the tag {tag!r} is unknown" for tag in sorted(unknown))
    if sum("nbval-ignore-output" in each for each in tags) > MOST_UNCHECKED:
        yield f"more than {MOST_UNCHECKED} cells are not checked"
    if any("NBVAL_" in cell.source for cell in notebook.cells):
        yield "a comment changes what is checked: use a tag"


def _explains_each_cell_before_it(notebook: NotebookNode) -> Iterator[str]:
    for (_, before), (at, cell) in pairwise(enumerate(notebook.cells)):
        if cell.cell_type == "code" and before.cell_type == "code":
            yield f"cell {at} is not led by prose"


def _is_brief(notebook: NotebookNode) -> Iterator[str]:
    for at, cell in enumerate(notebook.cells):
        source = IN_BRACKETS.sub("", cell.source)  # many names of one room are one import
        lines, words = len(source.splitlines()), len(HEADING.sub("", _prose(cell)).split())
        declares = "parameters" in cell.metadata.get("tags", ())  # a line for each, or for items
        if cell.cell_type == "code" and lines > LINES and not declares:
            yield f"cell {at} has {lines} lines, more than {LINES}"
        if cell.cell_type == "markdown" and words > WORDS:
            yield f"cell {at} has {words} words, more than {WORDS}"


def _types_no_number_into_prose(notebook: NotebookNode) -> Iterator[str]:
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            numbers = IN_PROSE.findall(_prose(cell)) + NUMBER_WORDS.findall(_prose(cell))
            found = {number.rstrip(".,") for number in numbers}
            yield from (
                f"cell {at} says {number} in prose: another month would make it false"
                for number in sorted(found - NUMBERS)
            )


def _only_calls(notebook: NotebookNode) -> Iterator[str]:
    for at, cell in _code(notebook):
        if re.search(r";\s*$", cell.source, re.MULTILINE):
            yield f"cell {at} has a ';', which silences nothing in nbval"
        kinds = {STATEMENTS.get(type(node), "") for node in ast.walk(parse(cell.source))}
        for kind in sorted(kinds - {""}):
            yield f"cell {at} has {kind}: move it to the library"


def _imports_names_of_few_rooms(notebook: NotebookNode) -> Iterator[str]:
    for at, cell in _code(notebook):
        found = [node for node in ast.walk(parse(cell.source)) if isinstance(node, ast.ImportFrom)]
        rooms = [place for node in found for place in _rooms_of(node)]
        yield from (f"cell {at} imports from {room!r}" for room in rooms if room not in ROOMS)
        if len(rooms) > MOST_ROOMS:
            yield f"cell {at} imports from {len(rooms)} rooms, not {MOST_ROOMS} or fewer"
        if len(found) > MOST_IMPORTS:
            yield f"cell {at} has {len(found)} imports, not {MOST_IMPORTS} or fewer"


def _rooms_of(node: ast.ImportFrom) -> list[str]:
    package, _, inside = str(node.module).partition(".")
    if package != "taxi_duration":
        return []
    whole = [f"{package}.{name.name}" for name in node.names if name.name != "plots"]
    return [inside] if inside else whole


def _assigns_each_name_once(notebook: NotebookNode) -> Iterator[str]:
    seen: set[str] = set()
    for at, cell in _code(notebook):
        names = {
            node.id
            for node in ast.walk(parse(cell.source))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        yield from (f"cell {at} overwrites {name!r}" for name in sorted(names & seen))
        seen |= names


RULES: tuple[Rule, ...] = (
    _opens_with_a_question,
    _has_a_usual_length,
    _declares_its_parameters,
    _keeps_its_outputs,
    _is_checked,
    _explains_each_cell_before_it,
    _is_brief,
    _types_no_number_into_prose,
    _only_calls,
    _imports_names_of_few_rooms,
    _assigns_each_name_once,
)


def _code(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    return ((at, cell) for at, cell in enumerate(notebook.cells) if cell.cell_type == "code")


def _prose(cell: NotebookNode) -> str:
    """Return a cell's text without code, addresses and names of notebooks."""
    return NOT_PROSE.sub(" ", cell.source)
