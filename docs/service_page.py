"""Photograph the page of the service, with a ride chosen, as docs/service_page.png.

Trains a model on the sample months, serves it, and needs Chromium, its driver and selenium:

    python docs/service_page.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from browser import SECONDS, browser
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait


def click_zone(driver: WebDriver, zone: int) -> None:
    """Click where a zone lies on the map."""
    dot = WebDriverWait(driver, SECONDS).until(
        lambda driver: driver.find_element(By.CSS_SELECTOR, f"circle[data-zone='{zone}']")
    )
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", dot)
    webdriver.ActionChains(driver).move_to_element(dot).click().perform()


def wait_for_minutes(driver: WebDriver) -> str:
    """Return the minutes that the page shows, once it does."""
    element = driver.find_element(By.ID, "minutes")
    return WebDriverWait(driver, SECONDS).until(lambda _: element.text)


def main() -> None:
    """Train, serve and photograph."""
    from taxi_duration.data import load_split
    from taxi_duration.registry import promote, register
    from taxi_duration.serving import serve
    from taxi_duration.tracking import record

    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        split = load_split("2021-01", "2021-02", "2021-03", source="sample")
        promote(register(record("xgboost", split).run_id), split.test, why="a picture")
        with serve("champion", port=8765) as server, browser(1180, 790) as driver:
            driver.get(server.address)
            click_zone(driver, 74)
            click_zone(driver, 138)
            wait_for_minutes(driver)
            driver.find_element(By.CSS_SELECTOR, "[name=day][value='4']").send_keys(Keys.SPACE)
            WebDriverWait(driver, SECONDS).until(lambda driver: "Fri" in driver.page_source)
            driver.find_element(By.TAG_NAME, "h1").click()
            driver.save_screenshot(str(Path(__file__).with_suffix(".png")))


if __name__ == "__main__":
    main()
