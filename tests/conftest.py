"""What the tests of the rooms share: months, models, a store, and a server that plays TLC."""

import os
import resource
import shutil
from collections import Counter
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from multiprocessing import util
from pathlib import Path

import forks
import pytest
from hypothesis import settings
from shelf import employ, stock
from tlc import Tlc

from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.data.trips import Split, load_split
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.training import fit
from taxi_duration.months import GREEN, Month, Months
from taxi_duration.registry.loading import find_model
from taxi_duration.registry.promotion import promote, register

util.get_temp_dir()  # of `forks`, before a test has temporary files elsewhere
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait leave others the processor

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("steady")

QUICK = {
    "lasso": {"alpha": 0.01},
    "reference": {"n_estimators": 3, "max_depth": 4, "threads": 1},
    "xgboost": {"n_estimators": 8, "max_depth": 4, "threads": 1},
    "quote": {"n_estimators": 8, "max_depth": 4, "threads": 1},
}
JANUARY = GREEN.file(Month(2021, 1))
LOOKUPS = (
    "get_model_version",
    "get_model_version_by_alias",
    "get_run",
    "search_model_versions",
    "search_registered_models",
)


def pytest_collection_modifyitems(items):
    """Judge a change that mutmut makes by the tests of its own module: it takes seconds."""
    _, _, within = os.environ.get("MUTANT_UNDER_TEST", "").partition("taxi_duration.")
    if room := within.partition(".")[0]:
        module = within.split(".")[1]
        items[:] = [item for item in items if item.path.match(f"{room}/test_{module}.py")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Fork the kernels of tests, which saves imports; nbval's start as a user's do.

    In a fork, libraries were imported elsewhere: pandas takes a terminal to be there, for example.
    """
    is_test = item.path.is_relative_to(Path(__file__).parent)
    with forks.kernels() if is_test else nullcontext():
        return (yield)


@pytest.fixture(scope="session")
def split():
    """Every third ride of three sample months."""
    whole = load_split("2021-01", "2021-02", "2021-03")
    thin = [replace(trips, frame=trips.frame[::3].reset_index(drop=True)) for trips in whole]
    return Split(*thin)


@pytest.fixture(scope="session")
def rides(split):
    """The rides of the train month; copy before you change them."""
    return split.train.frame


@pytest.fixture(scope="session")
def fit_quickly(split):
    """Fit a named model with few rounds; the same one is fitted only once."""

    @cache
    def fit_quickly(name, **how):
        return fit(name, split.train, split.valid, **(QUICK.get(name, {}) | how))

    return fit_quickly


@pytest.fixture(scope="session", params=MODELS)
def fitted(request, fit_quickly):
    """Each of the models, fitted with few rounds."""
    return fit_quickly(request.param)


@pytest.fixture(scope="session")
def raw():
    """Raw rows of January 2021, as TLC spells them."""
    return make_month(Month(2021, 1), rows=600)


@pytest.fixture
def folder(tmp_path):
    """An empty folder for TLC's files."""
    (tmp_path / "tlc").mkdir()
    return tmp_path / "tlc"


@pytest.fixture
def read_only(folder):
    """A folder where not even root may write."""
    if os.geteuid() == 0:
        return Path("/sys/kernel")
    folder.chmod(0o555)
    return folder


@pytest.fixture
def january(raw, folder):
    """The file of January 2021 in the folder."""
    raw.to_parquet(folder / JANUARY, engine="pyarrow")
    return folder / JANUARY


@pytest.fixture(scope="session")
def month_bytes(raw, tmp_path_factory):
    """Bytes of a month's file as TLC publishes it."""
    path = tmp_path_factory.mktemp("published") / JANUARY
    raw.to_parquet(path, engine="pyarrow")
    return path.read_bytes()


@pytest.fixture
def tlc(monkeypatch):
    """A server that plays TLC; it has published nothing until told (see `tlc.Tlc`)."""
    for place in ("TAXI_DURATION_CACHE", "TAXI_DURATION_TLC_URL"):
        monkeypatch.delenv(place, raising=False)
    with Tlc() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """An empty MLflow database: to make one takes seconds, to copy one does not."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("migrated") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def new_store(migrated):
    """Make a store of its own in a folder, and have MLflow use it for a while."""

    @contextmanager
    def use(folder):
        import mlflow

        uri = f"sqlite:///{shutil.copy(migrated, folder / 'mlflow.db')}"
        with pytest.MonkeyPatch.context() as patch, ExitStack() as afterwards:
            patch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
            afterwards.callback(mlflow.set_tracking_uri, mlflow.get_tracking_uri())
            patch.setenv("MLFLOW_TRACKING_URI", uri)
            yield uri

    return use


@pytest.fixture
def store(new_store, tmp_path):
    """The address of a store that is the test's own."""
    with new_store(tmp_path) as uri:
        yield uri


@pytest.fixture
def lookups(monkeypatch):
    """How often a model or a run is looked up in MLflow, by the method of its client."""
    from mlflow import MlflowClient

    counts = Counter()

    def count(name, method):
        def counted(client, *words, **how):
            counts[name] += 1
            return method(client, *words, **how)

        monkeypatch.setattr(MlflowClient, name, counted)

    for name in LOOKUPS:
        count(name, getattr(MlflowClient, name))
    return counts


@pytest.fixture(scope="session")
def months():
    """Three whole sample months."""
    return load_split("2021-01", "2021-02", "2021-03")


@pytest.fixture(scope="session")
def shelf(new_store, months, tmp_path_factory):
    """The address of a store with trainings to choose from, and their run ids (see `shelf`)."""
    with new_store(tmp_path_factory.mktemp("shelf")) as uri:
        return uri, stock(months)


@pytest.fixture(scope="session")
def registry_database(shelf, months, tmp_path_factory):
    """Copy the shelf's database, in which some trainings became champion, one after the other."""
    uri, runs = shelf

    @cache
    def registry_database(*which):
        if not which:
            return uri.removeprefix("sqlite:///")
        place = tmp_path_factory.mktemp("registry") / "mlflow.db"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}")
            shutil.copy(registry_database(*which[:-1]), place)
            assert promote(register(runs[which[-1]]), months.test, why="because").accepted
        return place

    return registry_database


@pytest.fixture
def registry(registry_database, tmp_path, monkeypatch):
    """Use a store that is the test's own, as `registry_database` makes it; return the champion."""

    def registry(*which):
        copy = shutil.copy(registry_database(*which), tmp_path / "mlflow.db")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
        return find_model("champion") if which else None

    return registry


@pytest.fixture(scope="session")
def employed(new_store, months, tmp_path_factory):
    """The address of a store whose champion has scored two months, and its run id."""
    with new_store(tmp_path_factory.mktemp("employed")) as uri:
        return uri, employ(months)


@pytest.fixture(scope="session")
def slow_months(tmp_path_factory):
    """A folder with two months in which the rush hours take much longer than before."""
    folder = tmp_path_factory.mktemp("slow")
    for month in Months.parse("2021-04..2021-05"):
        rows = make_month(month, rows=6000)
        begun, took = rows[GREEN.pickup], rows[GREEN.dropoff] - rows[GREEN.pickup]
        rush = begun.dt.hour.isin([7, 8, 9, 16, 17, 18, 19])
        rows[GREEN.dropoff] = begun + took.where(~rush, 1.6 * took).astype(took.dtype)
        write_parquet(rows, folder / GREEN.file(month))
    return folder


@pytest.fixture(scope="session")
def real():
    """The folder of TLC's real green months; without it the test is skipped."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TAXI_DURATION_REAL_MONTHS") or beside)
    if not (folder / JANUARY).exists():
        pytest.skip(f"{folder} has no real months; name a folder with TAXI_DURATION_REAL_MONTHS")
    return folder


@pytest.fixture(scope="session")
def reader(new_store, month_bytes, tmp_path_factory):
    """A reader who typed one command of README and documents after the other."""
    from readme import type_all

    folder = tmp_path_factory.mktemp("reader")
    with new_store(folder) as store:
        return type_all(folder, store, month_bytes)


@pytest.fixture(scope="session")
def full_disk():
    """A while in which no file can grow beyond a few bytes, as on a disk that is full.

    Nor can the file into which pytest prints, so let it end before the test does.
    """

    @contextmanager
    def full_disk(left=64):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (left, before[1]))  # Python ignores its signal
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return full_disk
