"""A Chromium that tests and pictures look through; needs its driver and selenium."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import which

from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

OPTIONS = (
    "headless",
    "hide-scrollbars",
    "no-sandbox",
    "disable-gpu",
    "disable-background-networking",
)
SECONDS = 20


@contextmanager
def browser(width: int, height: int) -> Iterator[WebDriver]:
    """Run a Chromium of this size with an empty profile until the end of the block."""
    options = webdriver.ChromeOptions()
    options.binary_location = which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for option in (*OPTIONS, f"user-data-dir={profile}"):
            options.add_argument(f"--{option}")
        service = webdriver.ChromeService(which("chromedriver"))
        with webdriver.Chrome(options=options, service=service) as driver:
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            yield driver


def wait_for_text(driver: WebDriver, *texts: str, seconds: float = 3 * SECONDS) -> None:
    """Wait until the page says all of these."""
    shown = "return document.body.innerText"
    WebDriverWait(driver, seconds).until(
        lambda _: all(text in driver.execute_script(shown) for text in texts),
        f"the page never says all of {texts}",
    )
