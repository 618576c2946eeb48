"""A type as a notebook's parameter declares it, and how a value becomes one of it."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from datetime import date, datetime

from taxi_duration.errors import NotebookError, nearest

__all__ = ["Converter", "converter"]

Converter = Callable[[object], object]


def converter(kind: ast.expr) -> Converter:
    """Turn an annotation into what converts a value to it, or raises TypeError or ValueError.

    The error's message says what to write, or nothing. Text is read as the type; dates stay
    text (YYYY-MM-DD) and tuples become lists, as these are JSON's.

    Raises
    ------
    NotebookError
        If the annotation is of another kind.

    Examples
    --------
    >>> to = converter(ast.parse("int | None", mode="eval").body)
    >>> to("3"), to("none")
    (3, None)
    """
    match kind:
        case ast.Constant(value=None):
            return _none
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in SIMPLE:
            return SIMPLE[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _either(converter(left), converter(right))
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inside):
            parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
            match name:
                case "Literal":
                    return _one_of([ast.literal_eval(part) for part in parts])
                case "list" if len(parts) == 1:
                    return _items([converter(parts[0]), ...])
                case "tuple" if parts:
                    return _items([... if _is_dots(part) else converter(part) for part in parts])
    raise NotebookError(
        f"Parameter type {ast.unparse(kind)!r} is unknown. Use "
        f"{', '.join(SIMPLE)}, Literal[...], list[...], tuple[...] or X | None."
    )


def _is_dots(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) and part.value is ...


def _either(first: Converter, second: Converter) -> Converter:
    # "none" is text as well: None has the first say
    first, second = (second, first) if second is _none else (first, second)

    def convert(value: object) -> object:
        try:
            return first(value)
        except (TypeError, ValueError):
            return second(value)

    return convert


def _one_of(options: list[object]) -> Converter:
    def convert(value: object) -> object:
        for option in options:
            if value in (option, str(option)) and type(value) in (type(option), str):
                return option
        raise ValueError(nearest(value, [str(option) for option in options]))

    return convert


def _items(kinds: list[Converter]) -> Converter:
    def convert(value: object) -> object:
        values = _split(value) if isinstance(value, str) else value
        if not isinstance(values, list | tuple):
            raise TypeError
        wanted = kinds[:1] * len(values) if kinds[-1] is ... else kinds
        if len(wanted) != len(values):
            raise ValueError
        return [kind(item) for kind, item in zip(wanted, values, strict=True)]

    return convert


def _split(text: str) -> object:
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [item.strip() for item in text.split(",")] if text.strip() else []


def _none(value: object) -> None:
    if value is not None and str(value).lower() not in ("none", "null"):
        raise ValueError


def _bool(value: object) -> bool:
    spelled = {"true": True, "false": False}.get(str(value).lower())
    if spelled is None:
        raise ValueError("Write true or false.")
    return spelled


def _number(kind: type) -> Converter:
    def convert(value: object) -> object:
        if type(value) not in (kind, int, str):
            raise TypeError
        try:
            return kind(value)
        except ValueError:
            raise ValueError from None

    return convert


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _date(value: object) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    try:
        return date.fromisoformat(_str(value)).isoformat()
    except (TypeError, ValueError):
        raise ValueError("Write it as YYYY-MM-DD.") from None


SIMPLE = {"str": _str, "int": _number(int), "float": _number(float), "bool": _bool, "date": _date}
