"""What a person meets in MLflow's pages, from the printed address on, by links, in a browser."""

import shutil
import socket
import sys
from pathlib import Path

import pytest

if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("needs Chromium and its driver (Debian: chromium-driver)", allow_module_level=True)

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.wait import WebDriverWait

from taxi_duration.notebooks.pipeline import run_all
from taxi_duration.serving.server_process import show_runs
from taxi_duration.tracking.runs import list_runs

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from browser import SECONDS, browser, wait_for_text

ROOT = Path(__file__).parents[2]
STAGES = ("02_train", "04_select")
CHAMPION = "ridge"
LINK, TAB = "//a[normalize-space()='{}']", "//button[@role='tab'][.='{}']"
TITLE = "//h2[contains(., '{}')]"
FILE = "//*[@data-testid='artifact-tree-node'][@artifact-name='{}']"
ROW = "(//*[@role='gridcell'][.//a[.='{}']])[{}]//button"
REGISTRY = LINK.format("Model registry")
VERSION = (REGISTRY, "//a[contains(@href, '#/models/taxi-duration')]", LINK.format("Version 1"))
RUN = (*VERSION, LINK.format(CHAMPION), TITLE.format(CHAMPION))


def click(driver, *paths):
    """Click on one thing after the other, each as soon as it is there."""
    wait = WebDriverWait(driver, 3 * SECONDS, ignored_exceptions=[WebDriverException])
    for path in paths:
        wait.until(
            lambda _, path=path: driver.find_element(By.XPATH, path).click() or True,
            f"{path} is not there to click on",
        )


@pytest.fixture(scope="module", autouse=True)
def _road(folder):
    """A pipeline that has trained two models and made the better one champion."""
    notebooks = [ROOT / "notebooks" / f"{stage}.ipynb" for stage in STAGES]
    values = {"models": f"{CHAMPION},median"}
    assert len(list(run_all(notebooks, parameters=values, into=folder / "runs" / "road"))) == 2


@pytest.fixture(scope="module")
def pages(_road):
    """The address that is printed, and a browser."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with show_runs(port=port) as server, browser(1400, 900) as driver:
        driver.get(server.address)
        click(driver, REGISTRY, "//button[.='Try it now']")  # which MLflow asks each browser once
        yield server.address, driver


@pytest.fixture
def go(pages):
    """Start at the printed address, and click on one thing after the other."""

    def go(*paths):
        address, driver = pages
        driver.get(address)
        click(driver, *paths)
        return driver

    return go


def test_the_first_page_is_the_table_of_runs_with_the_figures_of_the_best(go):
    (best,) = list_runs().query("model == @CHAMPION").to_dict("records")
    shown = [str(best[f"{part}_rmse"])[:6] for part in ("valid", "test")]
    columns = ("valid_rmse", "test_rmse", "test_coverage_all")
    wait_for_text(go(), "How many minutes a New York taxi ride takes.", "road", *columns, *shown)


def test_a_row_unfolds_to_its_stages_trainings_and_models(go):
    driver = go(*(ROW.format(*row) for row in (("road", 1), ("02_train", 1), ("02_train", 2))))
    figures = list_runs()["valid_rmse"].map(str).str[:6]
    wait_for_text(driver, *STAGES, CHAMPION, "median", *figures)


def test_the_champion_is_described_by_its_card(go):
    wait_for_text(go(*VERSION), "taxi-duration, version 1", "How large its errors are", "champion")


def test_the_champions_run_shows_its_pictures(go):
    driver = go(*RUN, TAB.format("Artifacts"), FILE.format("pictures"), FILE.format("scatter.png"))
    picture = "img[alt='pictures/scatter.png']"
    WebDriverWait(driver, SECONDS, ignored_exceptions=[WebDriverException]).until(
        lambda _: int(driver.find_element(By.CSS_SELECTOR, picture).get_attribute("naturalWidth"))
    )


def test_the_champions_run_leads_to_the_page_of_its_notebook(go):
    to_training = LINK.format("02_train"), TITLE.format("02_train")
    files = FILE.format("notebook"), FILE.format("02_train.html")
    driver = go(*RUN, *to_training, TAB.format("Artifacts"), *files)
    frame = (By.CSS_SELECTOR, "iframe.mlflow-html-iframe")
    WebDriverWait(driver, SECONDS).until(expected.frame_to_be_available_and_switch_to_it(frame))
    wait_for_text(driver, "Which model predicts the duration of a ride best?")
