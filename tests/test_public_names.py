"""The public names: all of them, each with one meaning, each used by somebody."""

import json
import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PUBLIC = {
    "data": "Months Split Trips load_rides load_split load_trips make_month open_month "
    "read_parquet stream_trips write_parquet zone_names",
    "models": "MODELS Estimator Fitted SPACES ZoneMap calibrate describe describe_space fit search",
    "evaluation": "backtest can_explain choose_window compare coverage explain importance "
    "influence predict score score_by score_parts",
    "tracking": "Run record record_all record_search",
    "registry": "candidates history load promote register rollback select_best with_throughput",
    "serving": "monitor score_months serve tally",
    "notebooks": "inspect reproduce run",
    "plots": "backtest_error compare_models contributions drift_by_month "
    "duration_by_distance duration_by_hour duration_by_month durations error_by "
    "error_by_hour error_by_parameter explorer feature_importance learning_curve "
    "log_durations mean_contributions pareto_front predicted_and_actual "
    "prediction_intervals quality_by_month residuals rides_by_hour rows_by_reason "
    "scatter search_history zone_map",
}


@pytest.mark.parametrize("room", PUBLIC)
def test_a_room_offers_these_names(room):
    door = import_module(f"taxi_duration.{room}")
    assert sorted(door.__all__) == sorted(PUBLIC[room].split())
    assert all(hasattr(door, name) for name in door.__all__)


def test_no_public_name_has_two_meanings():
    counts = Counter(name for names in PUBLIC.values() for name in names.split())
    assert [name for name, rooms in counts.items() if rooms > 1] == []


@pytest.fixture(scope="module")
def readable():
    """What a user reads: code of notebooks and benchmarks, README and documents."""
    cells = [
        "".join(cell["source"])
        for path in ROOT.glob("notebooks/*.ipynb")
        for cell in json.loads(path.read_text())["cells"]
    ]
    kinds = ("README.md", "docs/*.md", "benchmarks/*.py")
    texts = [path.read_text() for kind in kinds for path in ROOT.glob(kind)]
    return set(re.findall(r"\w+", "\n".join([*cells, *texts])))


@pytest.mark.parametrize("room", PUBLIC)
def test_each_public_name_is_used_in_a_notebook_a_document_or_a_benchmark(room, readable):
    assert set(PUBLIC[room].split()) - readable == set()


def test_the_package_has_rooms_and_four_files_and_nothing_else():
    found = {path.name for path in ROOT.glob("taxi_duration/*") if path.name != "__pycache__"}
    assert found == {*PUBLIC, "cli", "__init__.py", "errors.py", "months.py"}
