"""The pages as a site: every link leads somewhere, and nothing of it needs a network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import pytest
from pages import Elements

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.stem for path in ROOT.glob("docs/*.md"))
NOTEBOOKS = sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}

sys.path.insert(0, str(ROOT / "docs"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `make docs` builds it, which fails at any warning."""
    folder = tmp_path_factory.mktemp("site")
    words = ["docs", "-o", ".venv-extras/ready", f"SITE={folder}"]
    programs = f"EXTRAS={Path(sys.executable).parent}"
    done = subprocess.run(
        ["make", "-C", ROOT, *words, programs], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "docs"


@pytest.fixture(scope="module")
def elements(site):
    """What is on each page."""
    return {path: Elements(path.read_text()) for path in site.rglob("*.html")}


@pytest.fixture(scope="module", params=["light", "dark"])
def driver(request):
    """A browser of the width of a phone, which prefers dark pages or light ones."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs Chromium and its driver (Debian: chromium-driver)")
    from browser import browser

    with browser(390, 900) as driver:
        preferred = [{"name": "prefers-color-scheme", "value": request.param}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
        yield driver


def test_each_page_and_notebook_is_there(site):
    found = {path.stem for path in site.rglob("*.html")}
    assert found >= {*PAGES, *NOTEBOOKS}
    assert len(NOTEBOOKS) >= 6


def test_each_link_within_the_site_leads_somewhere(elements):
    anchors = {path.resolve(): {attributes.get("id") for _, attributes in each.found}
               for path, each in elements.items()}  # fmt: skip
    broken = []
    for path, each in elements.items():
        for link in (attributes.get("href", "#") for attributes in each.named("a")):
            place, anchor = urldefrag(link)
            target = (path.parent / place).resolve() if place else path.resolve()
            if urlsplit(link).scheme or (target in anchors and anchor in {"", *anchors[target]}):
                continue
            if not (target.suffix in {".png", ".svg"} and target.exists()):
                broken.append((path.name, link))
    assert broken == []


def test_no_page_loads_anything_from_elsewhere(site, elements):
    loaded = [attributes.get(LOADED[tag], "") for each in elements.values()
              for tag, attributes in each.found if tag in LOADED]  # fmt: skip
    assert len(loaded) > 100
    assert [link for link in loaded if re.match(r"(\w+:)?//", link)] == []
    styles = "\n".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import )\s*[\"']?(?:https?:)?//", styles) == []


def test_a_function_of_a_door_is_described_with_its_parameters(site):
    text = (site / "reference" / "2_models.html").read_text()
    assert 'id="taxi_duration.models.fit"' in text
    assert "Whether to fit once more on train and valid together" in text


def test_no_page_reports_an_error_or_is_wider_than_a_phone(driver, elements):
    widths = "return [document.documentElement.scrollWidth, window.innerWidth]"
    for path in elements:
        driver.get(path.as_uri())
        assert (path.name, driver.get_log("browser")) == (path.name, [])
        wide, window = driver.execute_script(widths)
        assert (path.name, wide) <= (path.name, window)


def test_the_search_finds_a_word_without_a_server(driver, site):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    driver.get(f"{(site / 'search.html').as_uri()}?q=challenger")
    found = WebDriverWait(driver, 20).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, "#search-results li a")
    )
    assert "One trusted model" in [each.text for each in found]
    assert driver.get_log("browser") == []
