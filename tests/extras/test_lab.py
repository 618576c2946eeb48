"""JupyterLab opens the notebooks, runs them to their end, and the explorer answers a person."""

import shutil
import socket
import sys
from pathlib import Path

import pytest

if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("needs Chromium and its driver (Debian: chromium-driver)", allow_module_level=True)

from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from taxi_duration.registry.promotion import promote, register
from taxi_duration.tracking.training import record

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from browser import SECONDS, browser
from lab import errors_of, jupyterlab, open_notebook, run_all

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def lab(folder, months, tmp_path_factory):
    """A browser and the address of JupyterLab, on copies of the notebooks and with a champion."""
    run = record("xgboost", months, n_estimators=60, learning_rate=0.2, threads=1)
    promote(register(run.run_id), months.test, why="a test")
    copies = shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = tmp_path_factory.mktemp("settings")
    with jupyterlab(copies, settings, port=port) as address, browser(1400, 1000) as driver:
        yield driver, address


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_opens_with_its_question(lab, name):
    driver, address = lab
    open_notebook(driver, address, name)
    title = WebDriverWait(driver, SECONDS).until(
        lambda _: driver.find_element(By.CSS_SELECTOR, ".jp-RenderedMarkdown h1").text
    )
    assert "?" in title


@pytest.fixture(scope="module")
def explored(lab):
    """The first notebook, after Run All, and its code cells."""
    driver, address = lab
    open_notebook(driver, address, "01_explore.ipynb")
    return driver, run_all(driver)


def test_the_first_notebook_runs_to_its_end(explored):
    _, cells = explored
    assert errors_of(cells) == []
    assert all(cell["execution_count"] for cell in cells)


def test_the_explorer_answers_a_change(explored):
    driver, _ = explored
    wait = WebDriverWait(driver, SECONDS)
    (explorer,) = wait.until(
        lambda _: driver.find_elements(By.CSS_SELECTOR, ".widget-vbox:has(img)")
    )
    driver.execute_script("arguments[0].scrollIntoView()", explorer)
    lists = dict(zip(("pickup", "dropoff", "weekday", "hour"),
                     explorer.find_elements(By.TAG_NAME, "select"), strict=True))  # fmt: skip
    words, picture = (
        explorer.find_element(By.CSS_SELECTOR, each) for each in (".widget-html", "img")
    )
    said, drawn = words.text, picture.get_attribute("src")
    assert "this pair" in said
    assert "predicted" in said
    Select(lists["pickup"]).select_by_visible_text("3")
    wait.until(lambda _: words.text != said and picture.get_attribute("src") != drawn)


def test_a_summary_is_shown_once(explored):
    driver, cells = explored
    kinds = [set(output["data"]) for output in cells[-1]["outputs"]]
    assert kinds == [{"application/vnd.taxi+json"}, {"text/html", "text/plain"}]
    assert driver.find_elements(By.CSS_SELECTOR, ".jp-RenderedJSON") == []
    last = driver.find_elements(By.CSS_SELECTOR, ".jp-CodeCell")[-1]
    assert len(last.find_elements(By.CSS_SELECTOR, ".jp-OutputArea-output")) == 1


def test_a_notebook_that_needs_a_champion_runs_to_its_end(lab):
    driver, address = lab
    open_notebook(driver, address, "05_score.ipynb")
    assert errors_of(run_all(driver)) == []
