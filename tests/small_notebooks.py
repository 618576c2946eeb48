"""Small notebooks, executed as a person would do it, or made as nobody should leave them."""

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

__all__ = ["code", "executed", "notebook", "printed", "prose", "shown"]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def code(source, *tags, number=None, outputs=()):
    """Return a cell of code."""
    metadata = {"tags": list(tags)} if tags else {}
    return new_code_cell(source, metadata=metadata, outputs=list(outputs), execution_count=number)


def prose(text):
    """Return a cell of text."""
    return new_markdown_cell(text)


def shown(data, **metadata):
    """Return what a cell's last value shows, by media type."""
    return new_output("display_data", data, metadata=metadata)


def printed(text, name="stdout"):
    """Return what a cell prints."""
    return new_output("stream", name=name, text=text)


def notebook(*cells, **metadata):
    """Return a notebook of cells, whose ids are their positions."""
    for at, cell in enumerate(cells):
        cell.id = f"cell-{at}"
    return new_notebook(cells=list(cells), metadata={"kernelspec": KERNEL, **metadata})


def executed(*cells):
    """Return a notebook of cells, or of code, as a fresh kernel has run it."""
    made = notebook(*(code(cell) if isinstance(cell, str) else cell for cell in cells))
    NotebookClient(made, kernel_name="python3", record_timing=False).execute()
    return made
