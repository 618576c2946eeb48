"""Which notebooks there are, which parameters each declares, and whether given ones fit."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import EINVAL
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_duration.errors import MonthError, NotebookError, UsageError, nearest
from taxi_duration.months import Months, check_order
from taxi_duration.notebooks.cell_names import find_undefined, names_read
from taxi_duration.notebooks.credentials import reject_credentials
from taxi_duration.notebooks.parameters import Parameter, read_parameters

if TYPE_CHECKING:
    from nbformat import NotebookNode

CHECKOUT = Path(__file__).parents[2]
SHARED = ("notebooks/*.ipynb", "requirements.txt", "tests/nbval_sanitize.cfg")  # as in setup.cfg
PARTS = ("train", "valid", "test")
NO_STAGE = "00_"  # begins the name of a notebook that is there to be read, and never a stage
MONTHS = (*PARTS, "gate", "months")  # parameters that name months


def find_notebooks(names: Sequence[str] = (), *, folder: str | Path | None = None) -> list[Path]:
    """Find notebooks by name or path, all stages of the folder if none is named, sorted by name.

    Parameters
    ----------
    folder : Path
        Where to look; else `notebooks` here, else those of the package.
    """
    found = {_find(name, folder) for name in names} or set(_by_name(folder, stages=True).values())
    return sorted(found, key=lambda path: path.name)


def inspect(notebook: Path) -> tuple[Parameter, ...]:
    """Return the parameters that a notebook declares, without running it."""
    return _declaration(notebook)[0]


def check(
    notebooks: Sequence[Path], parameters: Mapping[str, object]
) -> dict[Path, dict[str, object]]:
    """Return for each notebook the parameters that it declares, as values of the declared types.

    Rejected is a parameter that neither they nor the notebooks beside them declare, that looks
    like a credential, that is not of its type or that no later cell reads, months that do not
    exist or are not in the order train, valid, test, a name that no cell defines, and what is no
    Python.
    """
    declared = {path: _declaration(path) for path in notebooks}
    known = {each.name for parameters, _ in declared.values() for each in parameters}
    for name, value in parameters.items():
        reject_credentials(name, value, UsageError)
    if others := {name: parameters[name] for name in parameters if name not in known}:
        _check_of_others(notebooks, known, others)
    values = {}
    for path in notebooks:
        for at, problem in find_undefined([source for source, _tags in _code(path)]):
            raise NotebookError(f"{path.stem}: cell [{at + 1}]: {problem}")
        with _naming(path.stem):
            values[path] = _values(*declared[path], parameters)
            chosen = {each.name: each.default for each in declared[path][0]} | values[path]
            months = {part: chosen[part] for part in PARTS if chosen.get(part) is not None}
            check_order(**months)
    return values


def _check_of_others(
    notebooks: Sequence[Path], known: Iterable[str], parameters: Mapping[str, object]
) -> None:
    """Check parameters for other notebooks of the road, so that one command does for all."""
    beside: dict[str, Parameter] = {}
    for folder in {notebook.parent for notebook in notebooks}:
        for path in _notebooks_in(folder, stages=True):
            with suppress(NotebookError):  # it is not to run
                beside |= {each.name: each for each in inspect(path)}
    for name, value in parameters.items():
        if name not in beside:
            where, options = ", ".join(path.stem for path in notebooks), {*known, *beside}
            raise UsageError(f"{where}: no parameter {name!r}. {nearest(name, sorted(options))}")
        beside[name].convert(value)


def code_digest(notebook: Path) -> str:
    """Return the digest of a notebook's code cells and their tags; prose and outputs apart."""
    return sha256(json.dumps(_code(notebook)).encode()).hexdigest()


def _values(
    declared: Sequence[Parameter], later_cells: Sequence[str], parameters: Mapping[str, object]
) -> dict[str, object]:
    """Return the values of the declared types, months as `Months` writes them."""
    values = {
        each.name: each.convert(parameters[each.name])
        for each in declared
        if each.name in parameters
    }
    read = names_read(later_cells)
    for name, value in values.items():
        if name not in read:
            raise NotebookError(
                f"no cell reads the parameter {name!r}, so it would change nothing. "
                "Leave it out, or use it in the notebook."
            )
        if name in MONTHS and value is not None:
            values[name] = str(Months.parse(value))
    return values


def _declaration(notebook: Path) -> tuple[tuple[Parameter, ...], list[str]]:
    """Return the parameters of a notebook, and the sources of the cells after theirs."""
    code = _code(notebook)
    sources = [source for source, _tags in code]
    at = next((i for i, (_source, tags) in enumerate(code) if "parameters" in tags), None)
    if at is None:
        return (), sources
    with _naming(notebook.stem):
        return read_parameters(sources[at]), sources[at + 1 :]


def _code(notebook: Path) -> list[tuple[str, list[str]]]:
    """Return the source and the tags of each code cell; papermill's own cell apart."""
    cells = [cell for cell in read_notebook(notebook).cells if cell.cell_type == "code"]
    code = [("".join(cell.source), cell.get("metadata", {}).get("tags", [])) for cell in cells]
    return [(source, list(tags)) for source, tags in code if "injected-parameters" not in tags]


@contextmanager
def _naming(notebook: str) -> Iterator[None]:
    """Put the notebook's name in front of an error's message."""
    try:
        yield
    except (UsageError, NotebookError, MonthError) as problem:
        raise type(problem)(f"{notebook}: {problem}") from None


def read_notebook(notebook: Path) -> NotebookNode:
    """Read a notebook of format 4; `NotebookError` if it cannot be read, or is none."""
    try:
        return _parse(notebook)
    except OSError as problem:
        raise NotebookError(
            f"Notebook {str(notebook)!r} cannot be read: {problem.strerror}. Name another."
        ) from problem
    except ImportError as problem:
        raise missing_library(problem) from problem
    except Exception as problem:  # what is broken fails in many ways
        why = str(problem).partition("\n")[0].rstrip(".")
        raise NotebookError(
            f"{str(notebook)!r} is not a notebook of format 4 ({why}). Save it again in JupyterLab."
        ) from problem


def missing_library(problem: ImportError) -> NotebookError:
    """Return the error of a library that only notebooks need."""
    return NotebookError(
        f"Notebooks need {problem.name!r}. Install it: pip install 'taxi-duration[notebooks]'."
    )


def _parse(notebook: Path) -> NotebookNode:
    import nbformat

    if notebook.exists() and not notebook.is_file():  # a device may have no end
        raise OSError(EINVAL, "It is no file")
    text = notebook.read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cells without an id, as older notebooks have them
        read = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
        nbformat.validate(read)
    if read.nbformat != nbformat.v4.nbformat:
        raise ValueError(f"it has format {read.nbformat}")
    return read


def shared_files() -> list[Path]:
    """Return our notebooks and what their check needs: beside the package, else as installed."""
    if (CHECKOUT / "notebooks" / "01_explore.ipynb").is_file():  # not what else is installed
        return [path for pattern in SHARED for path in sorted(CHECKOUT.glob(pattern))]
    files = metadata.files("taxi-duration") or []
    return sorted(Path(each.locate()) for each in files if "share/taxi-duration" in str(each))


def _default_folders() -> list[Path]:
    notebooks = [path.parent for path in shared_files() if path.suffix == ".ipynb"]
    return [Path("notebooks"), *notebooks[:1]]


def _find(name: str, folder: str | Path | None) -> Path:
    if name.endswith(".ipynb") and Path(name).is_file():
        return Path(name)
    known = _by_name(folder)
    if name not in known:
        raise UsageError(f"There is no notebook {name!r}. {nearest(name, known)}")
    return known[name]


def _notebooks_in(folder: Path, *, stages: bool = False) -> list[Path]:
    found = sorted(path for path in folder.glob("[!.]*.ipynb") if path.is_file())
    return [path for path in found if not (stages and path.name.startswith(NO_STAGE))]


def _by_name(folder: str | Path | None, *, stages: bool = False) -> dict[str, Path]:
    choices = [Path(folder)] if folder else _default_folders()
    there = next((choice for choice in choices if choice.is_dir()), None)
    notebooks = {path.stem: path for path in (_notebooks_in(there, stages=stages) if there else ())}
    if not notebooks:
        looked = " or ".join(repr(str(choice)) for choice in choices)
        raise UsageError(f"There are no notebooks in {looked}. Say where: --notebooks.")
    return notebooks
