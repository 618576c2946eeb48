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
MODELS = ("median", "linear", "ridge", "quote", "xgboost")
PICTURES = ("mlflow_runs.png", "model_card.png", "explorer.png")


def make_champion() -> None:
    """Record a training of some models, and promote the best."""
    from taxi_duration.data import load_split
    from taxi_duration.registry import promote, register
    from taxi_duration.tracking import record_all

    split = load_split("2021-01", "2021-02", "2021-03", source="sample")
    best = record_all(MODELS, split, notebook="02_train").best
    promote(register(best.run_id), split.test, why="a picture")


def show_runs(driver: WebDriver) -> None:
    """Open the table of runs in MLflow's pages, the training unfolded."""
    driver.execute_script("document.querySelector('[aria-label=\"Close Assistant\"]')?.click()")
    wait_for_text(driver, "02_train", "valid_rmse")
    expand = "//*[contains(@class, 'ag-group-contracted') or @aria-label='Expand row']"
    for each in driver.find_elements(By.XPATH, expand)[:1]:
        each.click()


def show_explorer(driver: WebDriver) -> None:
    """Bring the explorer of the notebook that has run into sight."""
    found = WebDriverWait(driver, SECONDS).until(
        lambda _: driver.find_element(By.CSS_SELECTOR, ".widget-vbox:has(img)")
    )
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)


def main() -> None:
    """Train, open and photograph."""
    from taxi_duration.registry.card import make_card
    from taxi_duration.serving import http

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        make_champion()
        with http.show_runs(port=8766) as server, browser(1400, 560) as driver:
            driver.get(server.address)
            wait_for_text(driver, "02_train", "valid_rmse")
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
