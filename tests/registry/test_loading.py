"""A registered model is loaded whole or not at all, without pickle, also where we are not."""

import json
import os
import re
import shutil
import site
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from mlflow import MlflowClient

from taxi_duration.data.files import tree_digest
from taxi_duration.errors import ModelError, TrackingError
from taxi_duration.notebooks.reproduction import reproduce
from taxi_duration.registry.card import make_card
from taxi_duration.registry.loading import NAME, find_model, load, load_run
from taxi_duration.registry.promotion import promote, register
from taxi_duration.serving.batch import score_months


@pytest.fixture
def champion(registry):
    """A registered model in a store that is the test's own."""
    return registry("good")


@pytest.fixture
def files(champion, tmp_path):
    """Where the model's files lie; afterwards they are as they were."""
    model = MlflowClient().get_logged_model(champion.record.model_id)
    place = Path(model.artifact_location.removeprefix("file://"))
    shutil.copytree(place, tmp_path / "before")
    yield place
    shutil.rmtree(place)
    shutil.copytree(tmp_path / "before", place)


NAMES = ["models:/taxi-duration@champion", "taxi-duration@champion", "champion", "1",
         "models:/taxi-duration/1"]  # fmt: skip


@pytest.mark.parametrize("name", [*NAMES, "run"])
def test_a_model_is_found_by_any_of_its_names(champion, name):
    assert find_model(champion.run_id if name == "run" else name) == champion


@pytest.mark.parametrize("name", ["1", "champion"])
def test_a_model_of_another_name_is_found_by_its_number_or_alias(champion, name):
    other = register(champion.run_id, name="other")
    found = find_model("1" if name == "1" else "challenger", name="other")
    assert (found, found.name) == (other, "other")


@pytest.mark.parametrize(
    "name", ["7", "nobody", "not an alias", "models:/none/1", "none@champion", "0" * 32]
)
def test_a_model_that_does_not_exist_is_an_error(champion, name):
    with pytest.raises(ModelError, match="There is no model"):
        find_model(name)


def test_a_model_says_what_it_is(champion, shelf):
    assert (champion.name, champion.version) == (NAME, "1")
    assert champion.aliases == ("challenger", "champion")
    assert (champion.run_id, champion.verdict.accepted) == (shelf[1]["good"], True)
    assert champion.sha256 == champion.record.parameters["model_sha256"]
    assert (str(champion), champion.address) == ("version 1", "models:/taxi-duration/1")


def test_its_record_and_its_estimator_are_read_once(champion, lookups):
    found = load()
    lookups.clear()
    assert found.estimator is found.estimator
    assert found.record is found.record
    assert not lookups


def test_it_predicts_minutes_with_their_ends(champion, months):
    rides = months.test.frame.head(50).query("trip_distance > 0")
    predicted = champion.predict(rides)
    estimator = champion.estimator
    minutes = estimator.level * estimator.pipeline.predict(rides).astype(float)
    assert np.array_equal(predicted["duration"], minutes)
    assert (predicted["low"] < predicted["high"]).all()


def test_a_run_is_loaded_without_being_registered(champion, shelf):
    assert load_run(shelf[1]["weak"]).name == "xgboost"


def test_nothing_is_left_behind(champion, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    load()
    assert list(folder.iterdir()) == []


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
def test_one_flipped_byte_in_any_file_is_rejected(files, name):
    content = bytearray((files / name).read_bytes())
    content[len(content) // 2] ^= 1
    (files / name).write_bytes(content)
    with pytest.raises(ModelError, match="are not those that were recorded"):
        load()


USES = {
    "promote": lambda champion, gate: promote(champion, gate, why="again"),
    "card": lambda champion, gate: make_card(champion),
    "reproduce": lambda champion, gate: reproduce("champion"),
    "reproduce a run": lambda champion, gate: reproduce(champion.run_id),
    "score": lambda champion, gate: score_months("champion", "2021-03"),
}


@pytest.mark.parametrize("change", ["one byte", "gone"])
@pytest.mark.parametrize("use", USES)
def test_a_version_whose_files_have_changed_is_rejected_wherever_it_is_used(
    champion, files, months, use, change
):
    about = files / "artifacts" / "about.json"
    about.write_bytes(about.read_bytes() + b" ") if change == "one byte" else shutil.rmtree(files)
    with pytest.raises((ModelError, TrackingError), match=r"not those that were|cannot be read"):
        USES[use](champion, months.test)
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


def forge(champion, digest):
    """Write another digest where it should be impossible to write one."""
    with sqlite3.connect(os.environ["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///")) as database:
        for table, key in (("params", "model_sha256"), ("model_version_tags", "sha256")):
            database.execute(f"UPDATE {table} SET value = ? WHERE value = ? AND key = ?",
                             (digest, champion.sha256, key))  # fmt: skip


@pytest.mark.parametrize("change", WRONG)
def test_an_mlmodel_that_names_other_code_is_rejected_even_with_a_digest_that_fits(
    champion, files, change
):
    (files / "code" / "evil.py").write_text("raise SystemExit('was run')")
    rewrite(files, change)
    forge(champion, tree_digest(files))
    with pytest.raises(ModelError, match="MLflow would run other code"):
        load()


def test_a_version_with_another_digest_than_its_run_is_rejected(champion):
    MlflowClient().set_model_version_tag(NAME, "1", "sha256", "0" * 64)
    with pytest.raises(ModelError, match="carries another digest than its run"):
        load()


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
    champion, months, tmp_path_factory
):
    tmp_path = tmp_path_factory.mktemp("elsewhere")
    for found in Path(site.getsitepackages()[0]).iterdir():
        if not re.match(r"_*(editable.*)?taxi[_-]duration", found.name):
            (tmp_path / found.name).symlink_to(found)
    script = [sys.executable, "-I", "-S", "-c", ELSEWHERE, str(tmp_path)]
    environment = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    done = subprocess.run(script, capture_output=True, env=environment, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["columns"] == ["duration", "low", "high"]
    expected = champion.predict(months.valid.frame.head(3)).to_numpy()
    np.testing.assert_allclose(found["data"], expected, rtol=1e-12)
