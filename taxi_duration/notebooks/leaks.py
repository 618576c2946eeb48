"""What a notebook tells of a machine or a person: absolute paths and credentials."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from taxi_duration.notebooks.cell_names import parse
from taxi_duration.notebooks.cell_outputs import read_texts
from taxi_duration.notebooks.credentials import credential_kind, known_credential, names_credential

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOTS = "home|Users|root|tmp|var|mnt|media|data|opt|usr|srv|content|kaggle|dbfs|Volumes|private"
PATH = re.compile(
    rf"""(?:^|(?<=[\s"'=(:,]))(?:/(?:{ROOTS})(?:/[^\s"'<>]*)?(?=$|[\s"'<>,):;])"""
    r"""|~/[^\s"']+|[A-Z]:\\[^\s"']+)""",
    re.MULTILINE,
)
SHORTEST = 6  # characters of a password
EMBEDDED = re.compile(r"base64,[\w+/=]+")


def find_leaks(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Yield the cells that name or show an absolute path or a credential, with what to do."""
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            yield from ((at, text) for rule in (_find_paths, _find_secrets) for text in rule(cell))


def _find_paths(cell: NotebookNode) -> Iterator[str]:
    for path in _paths(_constants(cell)):
        yield f"it names a path of one machine, {path!r}. Take a relative one."
    for path in _paths(read_texts(cell.get("outputs", ())))[:1]:
        yield f"it shows a path of one machine, {path!r}. Show a relative one."


def _find_secrets(cell: NotebookNode) -> Iterator[str]:
    declares = "parameters" in cell.metadata.get("tags", ())  # which takes no credential
    if not declares and (kind := _secret(cell)):
        yield f"it holds {kind}. Revoke it, and read it from an environment variable."
    for form, text in read_texts(cell.get("outputs", ())):
        plain = EMBEDDED.sub("", text)
        is_text = form in ("stdout", "stderr", "text/plain")
        if kind := credential_kind(plain) if is_text else known_credential(plain):
            yield f"it shows {kind}. Revoke it, and clear the output."


def _paths(texts: Iterable[tuple[str, str]]) -> list[str]:
    """Return the absolute paths in the texts, of which each has a name or kind; each path once."""
    found = [path.rstrip(".,:;)") for _, text in texts for path in PATH.findall(text)]
    return list(dict.fromkeys(found))


def _constants(cell: NotebookNode) -> Iterator[tuple[str, str]]:
    """Yield each text in a cell's code, after the name to which it is given, if any."""
    names: dict[ast.AST, str] = {}
    parts: set[ast.AST] = set()  # of an f-string, after something that varies
    for node in ast.walk(parse(cell.source)):  # from the outside to the inside
        names |= {value: name for name, value in _named(node)}
        if isinstance(node, ast.JoinedStr):
            parts |= set(node.values[1:])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield names.get(node, ""), node.value


def _named(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case (
            ast.Assign(targets=[target, *_], value=value)
            | ast.AnnAssign(target=target, value=ast.expr() as value)
        ):
            yield ast.unparse(target), value
        case ast.keyword(arg=str(name), value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant):
                    yield str(key.value), value


def _secret(cell: NotebookNode) -> str | None:
    for name, text in _constants(cell):
        if kind := credential_kind(text):
            return f"what looks like {kind}"
        if names_credential(name) and len(text) >= SHORTEST and not re.search(r"\s", text):
            return f"what {name!r} names as a credential"
    return known_credential(cell.source)
