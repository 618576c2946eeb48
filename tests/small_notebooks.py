"""Small notebooks, executed as a person would do it."""

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

__all__ = ["code", "executed", "prose"]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def code(source, *tags, outputs=(), number=None):
    """Return a cell of code, without an output if none is given."""
    metadata = {"tags": list(tags)} if tags else {}
    return new_code_cell(source, metadata=metadata, outputs=list(outputs), execution_count=number)


def prose(text):
    return new_markdown_cell(text)


def executed(*cells):
    """Return a notebook of cells, or of code, as a fresh kernel has run it."""
    made = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    for number, cell in enumerate(made):
        cell.id = f"cell-{number}"
    notebook = new_notebook(cells=made, metadata={"kernelspec": KERNEL})
    NotebookClient(notebook, kernel_name="python3", record_timing=False).execute()
    return notebook
