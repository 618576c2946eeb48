"""Photograph what a person meets: MLflow's runs, a model card, and the explorer in JupyterLab.

Trains on the sample months, and needs Chromium, its driver and selenium:

    python docs/screenshots.py
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from browser import SECONDS, browser, wait_for_text
from lab import jupyterlab, open_notebook, run_all
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

DOCS = Path(__file__).parent
MODELS = ("median", "ridge", "xgboost")
SOMEBODY = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "Ada"}


def make_champion() -> None:
    """Record a training of some models, and promote the best."""
    from taxi_duration.data import load_split
    from taxi_duration.registry import promote, register
    from taxi_duration.tracking import record_all

    split = load_split("2021-01", "2021-02", "2021-03", source="sample")
    best = record_all(MODELS, split, notebook="02_train").best
    promote(register(best.run_id), split.test, why="a picture")


def show_runs(driver: WebDriver) -> None:
    """Make room for the table of runs in MLflow's pages, and unfold the training."""
    wait_for_text(driver, "02_train", "valid_rmse")
    close = "document.elementFromPoint(innerWidth - 36, 42).closest('button').click()"
    driver.execute_script(close)  # of the assistant beside it, which has no name
    row = "//*[@role='gridcell'][.//a[.='02_train']]//button"
    driver.find_element(By.XPATH, row).click()
    wait_for_text(driver, *MODELS)


def show_explorer(driver: WebDriver) -> None:
    """Bring the explorer of the notebook that has run into sight."""
    found = WebDriverWait(driver, SECONDS).until(
        lambda _: driver.find_element(By.CSS_SELECTOR, ".widget-vbox:has(img)")
    )
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)


def main() -> None:
    """Train, open and photograph."""
    from taxi_duration.registry.card import make_card
    from taxi_duration.serving import server_process

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ |= SOMEBODY | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        make_champion()
        with server_process.show_runs(port=8766) as server, browser(1200, 620) as driver:
            driver.get(server.address)
            show_runs(driver)
            driver.save_screenshot(str(DOCS / "mlflow_runs.png"))
        with browser(900, 1000) as driver:
            driver.get(make_card("champion").save(folder)[1].as_uri())
            driver.save_screenshot(str(DOCS / "model_card.png"))
        copies = shutil.copytree(DOCS.parent / "notebooks", folder / "notebooks")
        with (
            jupyterlab(copies, folder / "settings", port=8767) as address,
            browser(1250, 800) as driver,
        ):
            open_notebook(driver, address, "01_explore.ipynb")
            run_all(driver)
            show_explorer(driver)
            driver.save_screenshot(str(DOCS / "explorer.png"))


if __name__ == "__main__":
    main()
