"""A registered model is loaded whole or not at all, without pickle, also where we are not."""

import json
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from taxi_duration.data.files import tree_digest
from taxi_duration.errors import ModelError, TrackingError
from taxi_duration.notebooks.reproduction import reproduce
from taxi_duration.registry.card import make_card
from taxi_duration.registry.loading import load, load_run
from taxi_duration.registry.promotion import promote, register
from taxi_duration.serving.batch import score_months


@pytest.fixture(scope="module")
def own_store(shelf, months, tmp_path_factory):
    """A store in which one model is champion: its address, and where the model's files lie."""
    from mlflow import MlflowClient

    uri, runs = shelf
    copy = shutil.copy(uri.removeprefix("sqlite:///"), tmp_path_factory.mktemp("loading"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
        version = register(runs["good"])
        promote(version, months.test, why="first")
        client = MlflowClient(f"sqlite:///{copy}")
        (output,) = client.get_run(version.run_id).outputs.model_outputs
        place = client.get_logged_model(output.model_id).artifact_location
    return f"sqlite:///{copy}", version, Path(place.removeprefix("file://"))


@pytest.fixture
def version(own_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own_store[0])
    return own_store[1]


@pytest.fixture
def files(own_store, version, tmp_path):
    """Where the model's files lie; afterwards they are as they were."""
    shutil.copytree(own_store[2], tmp_path / "before")
    yield own_store[2]
    shutil.rmtree(own_store[2])
    shutil.copytree(tmp_path / "before", own_store[2])


@pytest.mark.parametrize(
    "model", ["models:/taxi-duration@champion", "taxi-duration@champion", "champion", "1"]
)
def test_the_champion_is_loaded_by_any_of_its_names(version, model):
    loaded = load(model)
    assert (loaded.name, loaded.version, loaded.run_id) == ("taxi-duration", "1", version.run_id)


def test_it_predicts_minutes_with_their_ends(version, months):
    loaded, rides = load(), months.test.frame.head(50)
    valid = rides[rides["trip_distance"] > 0]
    answers = loaded.predict(valid)
    assert np.array_equal(
        answers["duration"], loaded.estimator.pipeline.predict(valid).astype(float)
    )
    assert (answers["low"] < answers["high"]).all()


def test_a_run_is_loaded_without_being_registered(version, shelf):
    assert load_run(shelf[1]["weak"]).name == "xgboost"


def test_nothing_is_left_behind(version, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    load()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "MLmodel",
        "pyfunc_model.py",
        "requirements.txt",
        "code/taxi_duration/models/estimator.py",
        "artifacts/about.json",
        "artifacts/pipeline.skops",
    ],
)
def test_one_flipped_byte_in_any_file_is_refused(version, files, name):
    content = bytearray((files / name).read_bytes())
    content[len(content) // 2] ^= 1
    (files / name).write_bytes(content)
    with pytest.raises(ModelError, match="are not those that were recorded"):
        load()


USES = {
    "promote": lambda version, gate: promote(version, gate, why="again"),
    "card": lambda version, gate: make_card(version),
    "reproduce": lambda version, gate: reproduce("champion"),
    "reproduce a run": lambda version, gate: reproduce(version.run_id),
    "score": lambda version, gate: score_months("champion", "2021-03"),
}


@pytest.mark.parametrize("change", ["one byte", "gone"])
@pytest.mark.parametrize("use", USES)
def test_a_version_whose_files_have_changed_is_refused_wherever_it_is_named(
    version, files, months, use, change
):
    about = files / "artifacts" / "about.json"
    about.write_bytes(about.read_bytes() + b" ") if change == "one byte" else shutil.rmtree(files)
    with pytest.raises((ModelError, TrackingError), match=r"not those that were|cannot be read"):
        USES[use](version, months.test)
    files.mkdir(exist_ok=True)


PYFUNC = "flavors", "python_function"
WRONG = {
    "loader": (PYFUNC, {"loader_module": "evil"}),
    "code": (PYFUNC, {"code": "../elsewhere"}),
    "file": (PYFUNC, {"model_code_path": "code/evil.py"}),
    "data": (PYFUNC, {"data": "../elsewhere"}),
    "artifact": (PYFUNC, {"artifacts": {"pipeline": {"path": "../../evil.skops", "uri": ""}}}),
    "flavor": (("flavors",), {"sklearn": {"pickled_model": "model.pkl"}}),
}


def rewrite(files, change):
    """Change the MLmodel as somebody could who also knows how digests are made."""
    keys, new = WRONG[change]
    read = yaml.safe_load((files / "MLmodel").read_text())
    part = read
    for key in keys:
        part = part[key]
    part |= new
    (files / "MLmodel").write_text(yaml.safe_dump(read))


def forge(uri, version, digest):
    """Write another digest where it should be impossible to write one."""
    import sqlite3

    with sqlite3.connect(uri.removeprefix("sqlite:///")) as database:
        for table, key in (("params", "model_sha256"), ("model_version_tags", "sha256")):
            database.execute(f"UPDATE {table} SET value = ? WHERE value = ? AND key = ?",
                             (digest, version.sha256, key))  # fmt: skip


@pytest.mark.parametrize("change", WRONG)
def test_an_mlmodel_that_names_other_code_is_refused_even_with_a_digest_that_fits(
    own_store, version, files, change
):
    (files / "code" / "evil.py").write_text("raise SystemExit('was run')")
    rewrite(files, change)
    forged = tree_digest(files)
    forge(own_store[0], version, forged)
    try:
        with pytest.raises(ModelError, match="MLflow would run other code"):
            load()
    finally:
        import dataclasses

        forge(own_store[0], dataclasses.replace(version, sha256=forged), version.sha256)


def test_a_version_with_another_digest_than_its_run_is_refused(version):
    from mlflow import MlflowClient

    client = MlflowClient()
    client.set_model_version_tag(version.name, "1", "sha256", "0" * 64)
    with pytest.raises(ModelError, match="carries another digest than its run"):
        load()
    client.set_model_version_tag(version.name, "1", "sha256", version.sha256)


ELSEWHERE = """
import json, sys
sys.path.append(sys.argv[1])
try:
    import taxi_duration
except ImportError:
    import mlflow
    model = mlflow.pyfunc.load_model("models:/taxi-duration@champion")
    print(model.predict(model.input_example).to_json(orient="split", double_precision=15))
"""


def test_mlflow_loads_the_champion_where_pickles_are_forbidden_and_we_are_not(
    version, months, tmp_path
):
    for found in Path(site.getsitepackages()[0]).iterdir():
        if not re.match(r"_*(editable.*)?taxi[_-]duration", found.name):
            (tmp_path / found.name).symlink_to(found)
    script = [sys.executable, "-I", "-S", "-c", ELSEWHERE, str(tmp_path)]
    environment = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    done = subprocess.run(script, capture_output=True, env=environment, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["columns"] == ["duration", "low", "high"]
    expected = load().predict(months.valid.frame.head(3)).to_numpy()
    np.testing.assert_allclose(found["data"], expected, rtol=1e-12)
