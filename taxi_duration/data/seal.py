"""Every file of a model by its digest, so that not a byte of it can change unnoticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["model_digest"]

ADDED = {"registered_model_meta"}  # MLflow writes it into a folder that it loads from


def model_digest(folder: Path) -> str:
    """Return one digest for the names and bytes of all files below a folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "MLmodel").write_text("flavors: {}")
    ...     model_digest(Path(folder))[:8]
    'ffb851df'
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in ADDED and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{content}  {name}\n".encode())
    return digest.hexdigest()
