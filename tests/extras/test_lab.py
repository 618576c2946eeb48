"""JupyterLab runs every notebook to its end, links lead on, and the explorer answers a person."""

import json
import re
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
from taxi_duration.serving.batch import score_months
from taxi_duration.tracking.training import record

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from browser import SECONDS, browser, wait_for_text
from lab import TOKEN, errors_of, jupyterlab, open_notebook, run_all

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
COMMAND = re.search("jupyter lab (.*)", (ROOT / "Makefile").read_text())[1].split()


@pytest.fixture(scope="module")
def lab(folder, months, tmp_path_factory):
    """A browser and what `make lab` opens: copies of the notebooks, with a champion at work."""
    run = record("xgboost", months, n_estimators=60, learning_rate=0.2, threads=1)
    promote(register(run.run_id), months.test, why="a test")
    score_months("champion", "2021-02..2021-03")
    for part in ("notebooks", "docs"):
        shutil.copytree(ROOT / part, folder / part)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = tmp_path_factory.mktemp("settings")
    with (
        jupyterlab(folder, settings, *COMMAND, port=port) as address,
        browser(1400, 1000) as driver,
    ):
        yield driver, address


@pytest.fixture(scope="module", params=NOTEBOOKS)
def finished(lab, request):
    """The browser, a notebook that it shows after Run All, and its code cells."""
    driver, address = lab
    open_notebook(driver, address, f"notebooks/{request.param}")
    return driver, request.param, run_all(driver)


def kinds(cells):
    """What cells show: each output's type and media types; a live widget is not stored."""
    live = {"application/vnd.jupyter.widget-view+json"}
    shown = [cell["outputs"] for cell in cells]
    return [
        [(each["output_type"], each.get("name"), {*each.get("data", ())} - live) for each in cell]
        for cell in shown
    ]


def test_a_notebook_runs_to_its_end(finished):
    _, _, cells = finished
    assert errors_of(cells) == []
    assert all(cell["execution_count"] for cell in cells)


def test_a_notebook_shows_what_was_committed_and_no_warning(finished):
    _, name, cells = finished
    stored = json.loads((ROOT / "notebooks" / name).read_text())["cells"]
    assert kinds(cells) == kinds([cell for cell in stored if cell["cell_type"] == "code"])


def test_a_notebook_begins_with_its_question(finished):
    driver, _, _ = finished
    driver.execute_script("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
    title = WebDriverWait(driver, SECONDS).until(
        lambda _: driver.find_element(By.CSS_SELECTOR, ".jp-RenderedMarkdown h1").text
    )
    assert "?" in title


explored = pytest.mark.parametrize("finished", ["01_explore.ipynb"], indirect=True)


@explored
def test_the_explorer_answers_a_change(finished):
    driver, _, _ = finished
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


@explored
def test_a_summary_is_shown_once(finished):
    driver, _, cells = finished
    kinds = [set(output["data"]) for output in cells[-1]["outputs"]]
    assert kinds == [{"application/vnd.taxi+json"}, {"text/html", "text/plain"}]
    assert driver.find_elements(By.CSS_SELECTOR, ".jp-RenderedJSON") == []
    last = driver.find_elements(By.CSS_SELECTOR, ".jp-CodeCell")[-1]
    assert len(last.find_elements(By.CSS_SELECTOR, ".jp-OutputArea-output")) == 1


def test_a_link_to_a_page_opens_it(lab):
    driver, address = lab
    open_notebook(driver, address, "notebooks/00_before.ipynb")
    driver.find_element(By.LINK_TEXT, "from-notebook.md").click()
    wait_for_text(driver, "Go the same way with a notebook of your own")


def test_the_notebooks_are_listed_at_first(lab):
    driver, address = lab
    driver.get(f"{address}/?token={TOKEN}")
    wait_for_text(driver, *NOTEBOOKS)
