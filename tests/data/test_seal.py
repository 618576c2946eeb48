"""What a model's digest covers: the name and every byte of each file."""

import pytest

from taxi_duration.data.seal import model_digest


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
def test_a_changed_model_has_another_digest(model, change):
    before = model_digest(model)
    change(model)
    assert model_digest(model) != before


def test_what_mlflow_and_python_leave_in_a_folder_is_not_part_of_the_digest(model):
    before = model_digest(model)
    (model / "registered_model_meta").write_text("name: m")
    (model / "__pycache__").mkdir()
    (model / "__pycache__" / "code.pyc").touch()
    assert model_digest(model) == before
