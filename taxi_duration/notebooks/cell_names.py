"""Names in the cells of a notebook: those that no cell defines, and those that none reads."""

from __future__ import annotations

import ast
import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from taxi_duration.notebooks.parameters import UNPARSABLE

BUILTINS = {"display", "get_ipython"}  # of IPython
TIMERS = r"%(?:time|timeit|prun|capture)\b"  # magics that run Python
TIMED_CELL = re.compile(rf"\A\s*%{TIMERS}.*\n")
TIMED_LINE = re.compile(rf"^(\s*){TIMERS}[ \t]*(?=\w)", re.MULTILINE)
DEFINES = {"run", "load", "pylab", "store", "load_ext"}  # magics that may define any name
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.comprehension)

Found = tuple[int, str]
"""The position of a source from 0, and what is wrong there."""


class Magic(NamedTuple):
    """A line or cell that is IPython's, not Python's."""

    method: str  # of IPython's shell
    name: str
    text: str


def to_python(source: str) -> str:
    r"""Return a cell as Python: magics and shell lines become calls, what is timed stays itself.

    Examples
    --------
    >>> to_python("%time rows = len(trips)")
    'rows = len(trips)\n'
    """
    return _transform(TIMED_LINE.sub(r"\1", TIMED_CELL.sub("\n", source)))


@lru_cache(maxsize=256)
def parse(source: str) -> ast.Module:
    """Return the syntax tree of a cell; an empty one if it is no Python."""
    try:
        return ast.parse(to_python(source))
    except UNPARSABLE:
        return ast.Module(body=[], type_ignores=[])


def read_magics(source: str) -> list[Magic]:
    """Return the magics and shell lines of a cell.

    Examples
    --------
    >>> read_magics("%matplotlib inline")
    [Magic(method='run_line_magic', name='matplotlib', text='inline')]
    """
    try:
        tree = ast.parse(_transform(source))
    except UNPARSABLE:
        return []
    return [
        Magic(node.func.attr, texts[0] if len(texts) > 1 else "", texts[-1])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _is_of_shell(node.func)
        if (texts := [str(each.value) for each in node.args if isinstance(each, ast.Constant)])
    ]


def find_undefined(sources: Sequence[str]) -> Iterator[Found]:
    """Yield which cells are no Python, use a name that is not defined by then, or end the kernel.

    Examples
    --------
    >>> list(find_undefined(["rows = 3", "row"]))
    [(1, "name 'row' is not defined. Define or import it in a cell above.")]
    """
    cells = [to_python(source) for source in sources]
    if broken := list(_find_broken(cells)):
        yield from broken  # what the others use may be defined there
        return
    magics = [magic for source in sources for magic in read_magics(source)]
    for at, message in _messages(cells):
        if type(message).__name__ == "UndefinedName" and not DEFINES & {m.name for m in magics}:
            name = message.message_args[0]
            yield at, f"name {name!r} is not defined. Define or import it in a cell above."
    for at, cell in enumerate(cells):
        for node in ast.walk(ast.parse(cell)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("exit", "quit"):
                yield at, f"{node.func.id}() ends a notebook. Remove it."


def find_unread(sources: Sequence[str]) -> Iterator[Found]:
    r"""Yield imports and variables that no cell reads; a name with a leading `_` is meant so.

    Examples
    --------
    >>> list(find_unread(["import math\nrows, n = 3, 4", "rows"]))
    [(0, "the import of 'math' is never used. Remove it.")]
    """
    cells = [to_python(source) for source in sources]
    if any(_find_broken(cells)):
        return
    for at, message in _messages(cells):
        if type(message).__name__ == "UnusedImport":
            yield at, f"the import of {message.message_args[0]!r} is never used. Remove it."
    read = names_read(sources)
    for at, cell in enumerate(cells):
        for name in dict.fromkeys(_assigned(ast.parse(cell))):
            if name not in read and not name.startswith("_"):
                yield at, f"name {name!r} is assigned, but never read. Remove it, or show it."


def names_read(sources: Iterable[str]) -> set[str]:
    """Return the names that cells read, also in magics and as `@name` in a query of pandas.

    Examples
    --------
    >>> sorted(names_read(["rows = len(trips)", "%time fit(rows)"]))
    ['fit', 'len', 'rows', 'trips']
    """
    names = set()
    for source in sources:
        for node in ast.walk(parse(source)):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names |= set(re.findall(r"@(\w+)", node.value))
        for magic in read_magics(TIMED_LINE.sub(r"\1", source)):
            names |= set(re.findall(r"\w+", magic.text))  # each may be the name of a variable
    return names


@lru_cache(maxsize=512)
def _transform(source: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return TransformerManager().transform_cell(source)
    except UNPARSABLE:
        return source


def _is_of_shell(function: ast.expr) -> bool:
    shell = getattr(function, "value", None)
    return isinstance(shell, ast.Call) and getattr(shell.func, "id", "") == "get_ipython"


def _find_broken(cells: Sequence[str]) -> Iterator[Found]:
    for at, cell in enumerate(cells):
        try:
            ast.parse(cell)
        except UNPARSABLE as problem:
            why = getattr(problem, "msg", "") or problem
            yield at, f"this is no Python: {why}. Correct it first."


def _messages(cells: Sequence[str]) -> Iterator[tuple[int, object]]:
    """Yield what pyflakes says of all cells together, each with the cell that it is about."""
    from pyflakes.checker import Checker

    starts = [0, *accumulate(cell.count("\n") for cell in cells)]
    try:
        found = Checker(ast.parse("".join(cells)), builtins=BUILTINS).messages
    except RecursionError:  # an expression of hundreds of terms: Python can run it
        return
    for message in sorted(found, key=lambda message: message.lineno):
        yield bisect(starts, message.lineno - 1) - 1, message


def _assigned(tree: ast.Module) -> Iterator[str]:
    """Yield the names to which a cell assigns one value, functions and classes apart."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop(0)
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        if not isinstance(node, SCOPES):
            waiting += ast.iter_child_nodes(node)
