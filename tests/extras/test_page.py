"""The page of the service, as a person uses it: clicks, keys, minutes with their interval."""

import shutil
import socket
import sys
from pathlib import Path

import pandas as pd
import pytest
import requests

if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("needs Chromium and its driver (Debian: chromium-driver)", allow_module_level=True)

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
from tlc import ZONES

from taxi_duration.data.zone_names import FILE, zone_names
from taxi_duration.evaluation.explanation import explain
from taxi_duration.registry.loading import load
from taxi_duration.registry.promotion import promote, register
from taxi_duration.serving.server_process import serve
from taxi_duration.tracking.training import record

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from browser import SECONDS, browser
from service_page import click_zone, wait_for_minutes


@pytest.fixture(scope="module")
def address(folder, months):
    """Where a champion is served."""
    run = record("xgboost", months, n_estimators=60, learning_rate=0.2, threads=1)
    promote(register(run.run_id), months.test, why="a test")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cache = folder / "cache"
    cache.mkdir()
    (cache / FILE).write_bytes(ZONES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAXI_DURATION_CACHE", str(cache))
        with serve("champion", port=port, requests=folder / "requests") as server:
            yield server.address


@pytest.fixture(params=[1280, 390], ids=["desktop", "phone"])
def page(address, request):
    """The page in a browser of that width; nothing may be reported in its console."""
    with browser(request.param, 900) as driver:
        driver.get(address)
        yield driver
        assert driver.get_log("browser") == []


def sent(driver):
    """The ride that the form says."""
    value = {name: driver.find_element(By.ID, name).get_property("value")
             for name in ("from", "to", "hour", "miles")}  # fmt: skip
    day = driver.execute_script("return pickup()")
    start, end = (int(value[name].split()[0]) for name in ("from", "to"))
    return {"pickup_datetime": day, "PULocationID": start, "DOLocationID": end,
            "trip_distance": float(value["miles"])}  # fmt: skip


def shown(driver):
    minutes, between = (driver.find_element(By.ID, name).text for name in ("minutes", "between"))
    return f"{minutes}; {between}"


def expected(ride):
    found = load("champion").predict(pd.DataFrame([ride])).iloc[0]
    between = f"80 of 100 such rides take {found['low']:.1f} to {found['high']:.1f}."
    return f"{found['duration']:.1f} minutes; {between}"


def wait_for(driver, text):
    WebDriverWait(driver, SECONDS).until(lambda _: shown(driver) == text)


def shown_reasons(driver):
    rows = "return [...document.querySelectorAll('#why tbody tr')]"
    return driver.execute_script(f"{rows}.map(row => [row.cells[0], row.cells[2]]"
                                 ".map(cell => cell.textContent))")  # fmt: skip


def signed_minutes(minutes):
    text = f"{minutes:+.1f}".replace("-", "\N{MINUS SIGN}")
    return text.strip("+\N{MINUS SIGN}") if abs(minutes) < 0.05 else text


def expected_reasons(ride):
    found = explain(load("champion").estimator, pd.DataFrame([ride]), names=zone_names())
    because = (found["because"] + " " + found["value"]).tolist()
    average, *others = found["minutes"]
    signed = [signed_minutes(each) for each in others]
    return [list(each) for each in zip(because, [f"{average:.1f}", *signed], strict=True)]


def choose_two_zones(driver):
    click_zone(driver, 74)
    click_zone(driver, 138)
    wait_for_minutes(driver)


def test_two_clicks_a_weekday_and_an_hour_give_the_minutes_of_the_library_and_why(page):
    choose_two_zones(page)
    page.find_element(By.CSS_SELECTOR, "[name=day][value='4']").send_keys(Keys.SPACE)
    page.find_element(By.ID, "hour").send_keys(Keys.ARROW_RIGHT * 9)
    ride = sent(page)
    pickup = pd.Timestamp(ride["pickup_datetime"])
    assert (pickup.day_name(), pickup.hour) == ("Friday", 17)
    features = load("champion").estimator.pipeline[0]
    usual = features.repair_.medians_[ride["PULocationID"], ride["DOLocationID"]]
    assert ride["trip_distance"] == pytest.approx(usual, abs=0.01)
    wait_for(page, expected(ride))
    assert shown_reasons(page) == expected_reasons(ride)


def test_a_ride_is_chosen_by_keyboard_alone(page):
    WebDriverWait(page, SECONDS).until(lambda _: page.find_elements(By.TAG_NAME, "circle"))
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    keys = page.switch_to.active_element
    keys.send_keys(Keys.ARROW_DOWN, Keys.ENTER, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER)
    wait_for_minutes(page)
    wait_for(page, expected(sent(page)))


def test_zones_are_shown_and_typed_by_name_where_it_is_known(page):
    WebDriverWait(page, SECONDS).until(lambda _: page.find_elements(By.TAG_NAME, "circle"))
    start, end = (page.find_element(By.ID, name) for name in ("from", "to"))
    start.send_keys("old mill")
    end.send_keys("75 Mill")
    wait_for_minutes(page)
    assert page.execute_script("return [ride.from, ride.to]") == [74, 75]
    reasons = page.find_element(By.ID, "why").text
    assert "Old Mill to Mill <b>&</b> Pond" in reasons
    title = page.find_element(By.CSS_SELECTOR, "circle[data-zone='138'] title")
    assert title.get_attribute("textContent") == "Harbour"
    assert page.find_element(By.ID, "from-name").text == "Old Mill"


def test_what_is_typed_counts_and_an_error_is_shown_in_words(page):
    for name, zone in (("from", "74"), ("to", "75")):
        page.find_element(By.ID, name).send_keys(zone)
    wait_for_minutes(page)
    miles = page.find_element(By.ID, "miles")
    miles.clear()
    miles.send_keys("-3")
    WebDriverWait(page, SECONDS).until(
        lambda _: "trip_distance is not 0 or more miles" in page.find_element(By.ID, "wait").text
    )
    miles.clear()
    miles.send_keys("7.5")
    ride = sent(page)
    assert ride["trip_distance"] == 7.5
    wait_for(page, expected(ride))
    page.find_element(By.ID, "usual").click()
    assert sent(page)["trip_distance"] != 7.5
    wait_for(page, expected(sent(page)))
    page.get_log("browser")  # Chromium reports the rejected request itself


def test_the_page_of_the_docs_shows_each_path_without_a_network(page, address):
    page.get(f"{address}/docs")
    paths = requests.get(f"{address}/openapi.json", timeout=30).json()["paths"]
    WebDriverWait(page, SECONDS).until(
        lambda _: len(page.find_elements(By.CLASS_NAME, "opblock")) >= len(paths)
    )
    loaded = "return performance.getEntriesByType('resource').map(each => each.name)"
    found = page.execute_script(loaded)
    assert f"{address}/openapi.json" in found
    assert [each for each in found if not each.startswith((address, "data:"))] == []


def test_nothing_is_wider_than_the_window_with_minutes_and_reasons_in_it(page):
    choose_two_zones(page)
    widths = "return [document.documentElement.scrollWidth, window.innerWidth]"
    wide, window = page.execute_script(widths)
    assert wide <= window
