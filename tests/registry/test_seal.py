"""What a seal covers: the name and every byte of each file."""

import pytest

from taxi_duration.data.seal import check_digest, model_digest
from taxi_duration.errors import ModelError


@pytest.fixture
def model(tmp_path):
    """A folder with files, one of them deeper."""
    for name in ("MLmodel", "artifacts/pipeline.skops"):
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"bytes")
    return tmp_path / "model"


def flip(model):
    (model / "artifacts" / "pipeline.skops").write_bytes(b"bytez")


def rename(model):
    (model / "MLmodel").rename(model / "MLModel")


def add(model):
    (model / "code.py").touch()


def remove(model):
    (model / "MLmodel").unlink()


def swap(model):
    (model / "MLmodel").write_bytes(b"")
    (model / "artifacts" / "pipeline.skops").write_bytes(b"bytesbytes")


@pytest.mark.parametrize("change", [flip, rename, add, remove, swap])
def test_a_changed_model_is_refused(model, change):
    before = model_digest(model)
    change(model)
    with pytest.raises(ModelError, match="of model 'm' are not those that were recorded"):
        check_digest(model, before, name="'m'")


def test_a_model_that_is_as_it_was_is_let_through(model):
    check_digest(model, model_digest(model), name="'m'")


def test_what_mlflow_and_python_leave_in_a_folder_breaks_no_seal(model):
    before = model_digest(model)
    (model / "registered_model_meta").write_text("name: m")
    (model / "__pycache__").mkdir()
    (model / "__pycache__" / "code.pyc").touch()
    check_digest(model, before, name="'m'")
