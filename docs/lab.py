"""JupyterLab as a person uses it: opened in a browser, run through its menu."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from browser import SECONDS
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from taxi_duration.serving.server_process import run_server

TOKEN = "only-here"  # noqa: S105
QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
CODE_CELLS = """
const cells = window.jupyterapp?.shell.currentWidget?.content?.model?.cells ?? [];
return [...cells].map(cell => cell.toJSON()).filter(cell => cell.cell_type === "code");
"""
IS_IDLE = """
const session = window.jupyterapp?.shell.currentWidget?.sessionContext?.session;
return session?.kernel?.status === "idle";
"""


@contextmanager
def jupyterlab(folder: Path, settings: Path, *words: str, port: int) -> Iterator[str]:
    """Run JupyterLab on a folder until the end of the block; yield its address.

    Parameters
    ----------
    settings : Path
        An empty folder for its settings: it shall ask nobody for news.
    words
        Further arguments of its command.
    """
    quiet = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text(json.dumps(QUIET))
    words = [
        "jupyterlab", *words, "--no-browser", "--allow-root", f"--ServerApp.root_dir={folder}",
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    how = {"host": "127.0.0.1", "port": port, "ready": "/api"}
    with run_server(words, **how, JUPYTERLAB_SETTINGS_DIR=str(settings)):
        yield f"http://127.0.0.1:{port}"


def open_notebook(driver: WebDriver, address: str, name: str) -> None:
    """Open a notebook, and wait until its cells are there and its kernel is idle."""
    driver.get(f"{address}/lab/tree/{name}?token={TOKEN}&reset")
    WebDriverWait(driver, 6 * SECONDS).until(
        lambda _: driver.execute_script(CODE_CELLS) and driver.execute_script(IS_IDLE),
        f"{name} does not open",
    )


def run_all(driver: WebDriver, *, seconds: float = 9 * SECONDS) -> list[dict]:
    """Run all cells through the menu; return the code cells once the last has ended, or one failed.

    What was stored is cleared before, so that all that is shown is new.
    """
    driver.execute_script("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    for item in ("lm-MenuBar-itemLabel')][.='Run']", "lm-Menu-itemLabel')][.='Run All Cells']"):
        found = f"//div[contains(@class, '{item}"
        WebDriverWait(driver, SECONDS).until(
            lambda _, found=found: driver.find_elements(By.XPATH, found)
        )[0].click()
    WebDriverWait(driver, seconds).until(lambda _: _has_ended(driver), "cells still run")
    return driver.execute_script(CODE_CELLS)


def errors_of(cells: list[dict]) -> list[str]:
    """Return what failed in cells, as text."""
    return [
        f"{output['ename']}: {output['evalue']}"
        for cell in cells
        for output in cell["outputs"]
        if output["output_type"] == "error"
    ]


def _has_ended(driver: WebDriver) -> bool:
    cells = driver.execute_script(CODE_CELLS)
    is_done = cells[-1]["execution_count"] and driver.execute_script(IS_IDLE)
    return bool(is_done or errors_of(cells))
