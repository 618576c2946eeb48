"""What a notebook's parameters cell declares, and whether a value fits it."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass, field

from taxi_duration.errors import NotebookError
from taxi_duration.notebooks.annotations import Converter, converter

__all__ = ["Parameter", "names_read", "read_parameters"]

# what Python's parser raises: also for NUL, lone surrogates, and what is nested too deeply
UNPARSABLE = (SyntaxError, ValueError, MemoryError, RecursionError)
HOW = "Write it as `name: type = default  # help`, the default a literal."


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: `name: annotation = default  # help`.

    Examples
    --------
    >>> (models,) = read_parameters("models: list[str] = ['linear']  # which to train")
    >>> models.help
    'which to train'
    >>> models.convert("ridge, lasso")
    ['ridge', 'lasso']
    >>> models.convert(3)
    Traceback (most recent call last):
    ...
    taxi_duration.errors.NotebookError: Parameter 'models' takes list[str], not 3. Its default \
is ['linear'].
    """

    name: str
    annotation: str
    default: object
    help: str = ""
    converter: Converter = field(default=lambda value: value, repr=False, compare=False)

    def convert(self, value: object) -> object:
        """Return the value as the declared type; text is read as that type.

        Text such as "true", "3", "none", "a,b" or '["a", "b"]' comes from a command line. Dates
        are kept as text (YYYY-MM-DD), tuples become lists: so they arrive in the notebook.

        Raises
        ------
        NotebookError
            If the value does not fit.
        """
        try:
            return self.converter(value)
        except (TypeError, ValueError) as problem:
            hint = str(problem) or f"Its default is {self.default!r}."
            raise NotebookError(
                f"Parameter {self.name!r} takes {self.annotation}, not {value!r}. {hint}"
            ) from None


def read_parameters(cell: str) -> tuple[Parameter, ...]:
    """Read the declarations of a parameters cell, without running it.

    Understood are str, int, float, bool, date, `Literal[...]`, `list[...]`, `tuple[...]` and
    `X | Y` of these, None among them. Imports and a docstring may stand beside them.

    Raises
    ------
    NotebookError
        If a line is something else, or a default is not of its type.

    Examples
    --------
    >>> read_parameters('train: str = "2021-01"  # month to learn from')
    (Parameter(name='train', annotation='str', default='2021-01', help='month to learn from'),)
    """
    try:
        statements = ast.parse(cell).body
    except UNPARSABLE as problem:
        raise NotebookError(f"The parameters cell is not Python: {problem}. {HOW}") from None
    helps = _comments(cell)
    skipped = ast.Import | ast.ImportFrom | ast.Expr
    return tuple(
        _parameter(line, helps.get(line.end_lineno, ""))
        for line in statements
        if not isinstance(line, skipped)
    )


def names_read(cells: Iterable[str]) -> set[str]:
    """Return the names that some cell reads; magics and shell lines are passed over.

    Examples
    --------
    >>> sorted(names_read(["rows = len(trips)", "%time fit(rows)"]))
    ['len', 'trips']
    """
    names = set()
    for cell in cells:
        lines = ("" if line.lstrip()[:1] in ("%", "!") else line for line in cell.splitlines())
        try:
            tree = ast.parse("\n".join(lines))
        except UNPARSABLE as problem:
            raise NotebookError(f"A cell is not Python: {problem}. Mend it first.") from None
        names |= {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
    return names


def _comments(cell: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(cell).readline)
    return {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _parameter(line: ast.stmt, text: str) -> Parameter:
    if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
        raise NotebookError(f"{ast.unparse(line)!r} is not a parameter. {HOW}")
    name, annotation = line.target.id, ast.unparse(line.annotation)
    try:
        default = ast.literal_eval(line.value)
        parameter = Parameter(name, annotation, default, text, converter(line.annotation))
    except (*UNPARSABLE, TypeError):
        raise NotebookError(f"Parameter {name!r} has no literal as default. {HOW}") from None
    if parameter.convert(default) != (list(default) if isinstance(default, tuple) else default):
        raise NotebookError(f"Default {default!r} of {name!r} is not {annotation}. {HOW}")
    return parameter
