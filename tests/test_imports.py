"""What importing loads, and that the contracts on imports can be broken."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {
    "fastparquet",
    "matplotlib",
    "mlflow",
    "nbconvert",
    "numpy",
    "pandas",
    "pandera",
    "papermill",
    "pooch",
    "pyspark",
    "requests",
    "scipy",
    "seaborn",
    "sklearn",
    "skops",
    "xgboost",
}
MADE_OF = {"joblib", "numpy", "pandas", "scipy", "sklearn"}
OTHERS = ("plots", "pyfunc_model", "app")  # loaded where something is drawn, by MLflow, to serve
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in ROOT.glob("taxi_duration/**/[a-z]*.py")
    if path.stem not in OTHERS and path.parent.name not in OTHERS
)


def loaded_by(*lines: str) -> set[str]:
    """Return the libraries that a fresh Python has loaded after these lines."""
    report = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*lines, report])],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_package_loads_nothing_heavy():
    assert loaded_by("import taxi_duration") & HEAVY == set()


def test_the_help_of_the_command_loads_nothing_heavy():
    shows_help = "from taxi_duration.cli.main import main; main(['--help'])"
    assert loaded_by(shows_help) & HEAVY == set()


def test_pytest_loads_nothing_heavy_for_an_option_that_is_not_given(tmp_path):
    words = ["--collect-only", "-qq", f"--rootdir={tmp_path}", "-p", "no:nbval", str(tmp_path)]
    loaded = loaded_by("import pytest", f"pytest.main({words})")
    assert "taxi_duration" in loaded
    assert loaded & (HEAVY | {"nbval", "nbformat"}) == set()


def test_all_rooms_but_plots_load_no_more_than_rides_and_models_are_made_of():
    lines = [f"import {module}" for module in MODULES]
    assert loaded_by(*lines) & HEAVY <= MADE_OF


BROKEN = {
    "months.py": ("import taxi_duration.data.trips", "Imports go down the ladder only"),
    "data/trips.py": ("import mlflow", "Only tracking, registry and serving know MLflow"),
    "tracking/training.py": ("import nbclient", "Only the room notebooks knows papermill"),
    "data/rides.py": ("import xgboost", "Only the models and their evaluation know XGBoost"),
    "evaluation/metrics.py": ("import seaborn", "Only the plots know matplotlib"),
    "models/zones.py": ("import pooch", "Only the room data knows pooch"),
    "serving/batch.py": ("import pyspark", "Only the engine for Spark knows Spark"),
    "serving/drift.py": ("import fastapi", "Only the service's application knows FastAPI"),
    "plots/style.py": ("import taxi_duration.models.training", "Plots take frames"),
    "notebooks/check.py": ("import taxi_duration.data.trips", "The tools for any notebook"),
    "utils.py": ("", "taxi_duration.utils"),  # a room without a step
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """What the import linter says of a copy of the package that breaks every contract."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "setup.cfg", copy)
    shutil.copytree(ROOT / "taxi_duration", copy / "taxi_duration")
    for name, (line, _) in BROKEN.items():
        with (copy / "taxi_duration" / name).open("a") as file:
            file.write(f"\n{line}\n")
    command = Path(sys.executable).with_name("lint-imports")
    environment = os.environ | {"COLUMNS": "200", "PYTHONPATH": str(copy)}
    return subprocess.run(
        [command, "--no-cache"], cwd=copy, env=environment, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("contract", [contract for _, contract in BROKEN.values()], ids=BROKEN)
def test_what_breaks_a_contract_is_found(broken, contract):
    assert contract in broken.partition("Broken contracts")[2]
