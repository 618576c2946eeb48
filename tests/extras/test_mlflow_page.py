"""What a person meets in MLflow's pages: a table of figures, and a card, in a browser."""

import shutil
import socket
import sys
from pathlib import Path

import pytest

if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("needs Chromium and its driver (Debian: chromium-driver)", allow_module_level=True)

from taxi_duration.registry.promotion import promote, register
from taxi_duration.serving.http import show_runs
from taxi_duration.tracking.training import record_all

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from browser import browser, wait_for_text


@pytest.fixture(scope="module")
def training(folder, months):
    """Two models under one parent run, the best of them champion."""
    found = record_all(["ridge", "median"], months, notebook="02_train")
    assert promote(register(found.best.run_id), months.test, why="a test").accepted
    return found


@pytest.fixture(scope="module")
def pages(training):
    """The address of the runs, and a browser."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with show_runs(port=port) as server, browser(1400, 900) as driver:
        yield server.address, driver


def test_the_first_page_is_the_table_of_runs_with_the_figures_of_the_best(pages, training):
    address, driver = pages
    driver.get(address)
    errors = training.best.scores.set_index("part")["rmse"]
    shown = [str(errors[part])[:6] for part in ("valid", "test")]
    wait_for_text(driver, "02_train", "valid_rmse", "test_rmse", "test_coverage_all", *shown)
    wait_for_text(driver, "How many minutes a New York taxi ride takes.")


def test_the_champion_is_described_by_its_card(pages):
    address, driver = pages
    driver.get(f"{address.partition('#')[0]}#/models/taxi-duration/versions/1")
    wait_for_text(driver, "taxi-duration, version 1", "How large its errors are", "champion")
