"""What a notebook's parameters cell declares, and values of the declared types."""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from taxi_duration.errors import NotebookError, UsageError, nearest
from taxi_duration.notebooks.credentials import reject_credentials

# what Python's parser raises: also for NUL, lone surrogates, and what is nested too deeply
UNPARSABLE = (SyntaxError, ValueError, MemoryError, RecursionError)
HOW = "Write it as `name: type = default  # help`, the default a literal."

Converter = Callable[[object], object]
"""Returns a value as a type, or raises TypeError or ValueError, perhaps with what to write."""


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
    taxi_duration.errors.UsageError: Parameter 'models' takes list[str], not 3. Its default \
is ['linear'].
    """

    name: str
    annotation: str
    default: object
    help: str

    def convert(self, value: object) -> object:
        """Return the value as the declared type.

        Text such as "true", "3", "none", "a,b" or '["a", "b"]', as a command line has it, is read
        as that type.
        """
        try:
            return _converter(ast.parse(self.annotation, mode="eval").body)(value)
        except (TypeError, ValueError, RecursionError) as problem:
            hint = str(problem) or f"Its default is {self.default!r}."
            raise UsageError(
                f"Parameter {self.name!r} takes {self.annotation}, not {value!r}. {hint}"
            ) from None


def read_parameters(cell: str) -> tuple[Parameter, ...]:
    """Read the parameters that a cell declares, without running it.

    Types are str, int, float, bool, `Literal[...]`, `list[...]` of these, and any of them
    `| None`. Imports and a docstring may stand beside the parameters; nothing else may.

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


def _comments(cell: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(cell).readline)
    return {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _parameter(line: ast.stmt, text: str) -> Parameter:
    if isinstance(line, ast.Assign):
        reject_credentials(ast.unparse(line.targets[0]), ast.unparse(line.value), NotebookError)
    if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
        raise NotebookError(f"{ast.unparse(line)!r} is not a parameter. {HOW}")
    name, annotation = line.target.id, ast.unparse(line.annotation)
    try:
        default = ast.literal_eval(line.value)
    except (*UNPARSABLE, TypeError):
        raise NotebookError(f"Parameter {name!r} has no literal as default. {HOW}") from None
    reject_credentials(name, default, NotebookError)
    parameter = Parameter(name, annotation, default, text)
    with suppress(UsageError):
        if parameter.convert(default) == default:
            return parameter
    raise NotebookError(f"Default {default!r} of {name!r} is not {annotation}. {HOW}")


def _converter(annotation: ast.expr) -> Converter:
    match annotation:
        case ast.Name(id=name) if name in SIMPLE:
            return SIMPLE[name]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=options):
            options = options.elts if isinstance(options, ast.Tuple) else [options]
            return partial(_option, [ast.literal_eval(each) for each in options])
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return partial(_list, _converter(item))
        case ast.BinOp(left=kind, op=ast.BitOr(), right=ast.Constant(value=None)):
            return partial(_optional, _converter(kind))
    raise NotebookError(
        f"Parameter type {ast.unparse(annotation)!r} is unknown. Use {', '.join(SIMPLE)}, "
        "Literal[...], list[...] or X | None."
    )


def _option(options: Sequence[object], value: object) -> object:
    for option in options:
        if value in (option, str(option)) and type(value) in (type(option), str):
            return option
    raise ValueError(nearest(value, map(str, options)))


def _list(item: Converter, value: object) -> list[object]:
    values = _split(value) if isinstance(value, str) else value
    if not isinstance(values, list | tuple):
        raise TypeError
    return [item(each) for each in values]


def _split(text: str) -> object:
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [item.strip() for item in text.split(",")] if text.strip() else []


def _optional(kind: Converter, value: object) -> object:
    return None if str(value).lower() in ("none", "null") else kind(value)


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(kind: type, value: object) -> float:
    if type(value) not in (kind, int, str):
        raise TypeError
    try:
        return kind(value)
    except ValueError:
        raise ValueError from None  # the default says more than Python's message


def _bool(value: object) -> bool:
    try:
        return {"true": True, "false": False}[str(value).lower()]
    except KeyError:
        raise ValueError("Write true or false.") from None


SIMPLE: dict[str, Converter] = {
    "str": _str,
    "int": partial(_number, int),
    "float": partial(_number, float),
    "bool": _bool,
}
