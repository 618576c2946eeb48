"""What our own notebooks depend on: which of them a change redoes, and no other."""

import json
import shutil
from pathlib import Path

import pytest

from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.months import GREEN, Month, Months
from taxi_duration.notebooks.discovery import find_notebooks
from taxi_duration.notebooks.pipeline import make_stages
from taxi_duration.notebooks.runner import Executed
from taxi_duration.registry.promotion import rollback
from taxi_duration.tracking import provenance

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ALL = ["01_explore", "02_train", "03_tune", "04_select", "05_score", "06_monitor"]


class Road:
    """Our notebooks in a folder, on months of their own, with a champion in the store."""

    def __init__(self, folder):
        self.folder, self.into = folder, folder / "runs"
        self.into.mkdir()
        shutil.copytree(NOTEBOOKS, folder / "notebooks")
        shutil.copytree(provenance.PACKAGE, folder / "taxi_duration")
        for month in Months.parse("2021-01..2021-03"):
            write_parquet(make_month(month, rows=50), folder / "months" / GREEN.file(month))
        self.parameters = {"source": str(folder / "months")}

    def redo(self):
        """Note each stage that is to run as done, as if its kernel had; return why, by name."""
        paths = find_notebooks(ALL, folder=self.folder / "notebooks")
        reasons = {}
        for stage in make_stages(paths, self.parameters, into=self.into):
            if reason := stage.why_run(fingerprint := stage.fingerprint()):
                path, page = (self.into / f"{stage.name}{kind}" for kind in (".ipynb", ".html"))
                path.write_text(stage.name), page.write_text(stage.name)
                done = Executed(stage.name, path, page, 0.0, {}, attempt=stage.name)
                stage.write_record(done, fingerprint)
                reasons[stage.name] = reason
        return reasons

    def edit(self, notebook, kind, text):
        """Add a line to the last cell of a kind."""
        path = self.folder / "notebooks" / f"{notebook}.ipynb"
        content = json.loads(path.read_text())
        cell = [each for each in content["cells"] if each["cell_type"] == kind][-1]
        cell["source"] = ["".join(cell["source"]), f"\n{text}"]
        path.write_text(json.dumps(content))

    def flip(self, month):
        """Change one byte of a month."""
        path = self.folder / "months" / GREEN.file(Month.parse(month))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def extend_library(self):
        with (self.folder / "taxi_duration" / "plots" / "style.py").open("a") as file:
            file.write("# one more line\n")


@pytest.fixture(scope="module")
def road(registry_database, tmp_path_factory):
    """A road of which all is done; each test leaves it so."""
    folder = tmp_path_factory.mktemp("road")
    database = shutil.copy(registry_database("poor", "good"), folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        road = Road(folder)
        patch.setattr(provenance, "PACKAGE", folder / "taxi_duration")
        assert list(road.redo()) == ALL
        assert road.redo() == {}
        yield road


CODE, GIVEN = "its code has changed", "its parameters have changed"
CHANGES = {
    "prose": (lambda road: road.edit("02_train", "markdown", "Why not?"), [], ""),
    "a line of 06": (lambda road: road.edit("06_monitor", "code", "1 + 1"), ALL[5:], CODE),
    "a line of 04": (lambda road: road.edit("04_select", "code", "1 + 1"), ALL[3:], CODE),
    "a line of 02": (lambda road: road.edit("02_train", "code", "1"), [ALL[1], *ALL[3:]], CODE),
    "a line of 01": (lambda road: road.edit("01_explore", "code", "1 + 1"), ALL[:1], CODE),
    "a parameter of 03": (lambda road: road.parameters.update(trials=3), ALL[2:], GIVEN),
    "a parameter of 06": (lambda road: road.parameters.update(predictions="x"), ALL[5:], GIVEN),
    "a default": (lambda road: road.parameters.update(seed="0"), [], ""),
    "a byte": (
        lambda road: road.flip("2021-03"), ALL[1:], "the files of its months have changed"
    ),
    "the library": (lambda road: road.extend_library(), ALL, "the library has changed"),
    "the champion": (
        lambda road: rollback(why="a test"), ALL[4:], "the store has other models for it"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "redone", "reason"), CHANGES.values(), ids=CHANGES)
def test_a_change_redoes_what_depends_on_it_and_nothing_else(road, change, redone, reason):
    change(road)
    reasons = road.redo()
    assert list(reasons) == redone
    assert next(iter(reasons.values()), "") == reason
