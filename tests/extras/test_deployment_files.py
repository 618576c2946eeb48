"""The files of deploy/ and .github/ as their readers see them: by schemas and by hadolint."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
SCHEMAS = {"compose.yaml": "vendor.compose-spec", "github-actions.yml": "vendor.github-workflows"}
OF_GITHUB = {
    ".github/workflows/ci.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/ISSUE_TEMPLATE/bug.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/idea.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    "CITATION.cff": "vendor.citation-file-format",
}


def check(*words):
    """Run a checker; return its exit code and what it says."""
    done = subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def check_schema(name, path):
    """Check a file by the schema of one that is named so."""
    return check("check-jsonschema", "--builtin-schema", SCHEMAS[name], path)


def check_kubernetes(path):
    """Check each object of a file by the schema of its kind."""
    return check("kubernetes-validate", "--strict", path)


@pytest.fixture
def changed(tmp_path):
    """Write a file of deploy/ with one text in place of another."""

    def changed(name, old, new):
        text = (DEPLOY / name).read_text()
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new, 1))
        return tmp_path / name

    return changed


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_file_is_as_its_schema_wants_it(name):
    assert check_schema(name, DEPLOY / name)[0] == 0


@pytest.mark.parametrize(("name", "schema"), OF_GITHUB.items())
def test_a_file_for_github_is_as_its_schema_wants_it(name, schema):
    code, text = check("check-jsonschema", "--builtin-schema", schema, ROOT / name)
    assert code == 0, text


def test_each_file_for_github_has_a_schema():
    found = {str(path.relative_to(ROOT)) for path in ROOT.glob(".github/**/*.yml")}
    assert found == {name for name in OF_GITHUB if name.startswith(".github")}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("compose.yaml", "depends_on", "depends"), ("github-actions.yml", "runs-on", "runs")],
)
def test_a_word_that_the_schema_does_not_know_is_noticed(changed, name, old, new):
    code, text = check_schema(name, changed(name, old, new))
    assert code == 1, text


def test_the_objects_are_as_kubernetes_wants_them():
    code, text = check_kubernetes(DEPLOY / "kubernetes.yaml")
    assert (code, text.count("PASSED") or text.count("INFO")) == (0, 4), text


def test_a_probe_that_kubernetes_does_not_know_is_noticed(changed):
    code, text = check_kubernetes(changed("kubernetes.yaml", "readinessProbe", "readyProbe"))
    assert code != 0, text


def test_the_dockerfile_follows_the_rules_of_hadolint():
    assert check("hadolint", DEPLOY / "Dockerfile") == (0, "")


def test_a_library_without_a_version_is_noticed(changed):
    code, text = check("hadolint", changed("Dockerfile", "uv==0.13.9", "uv"))
    assert (code, "DL3013" in text) == (1, True)


def test_the_image_gets_pinned_libraries_only(tmp_path):
    uv = ROOT / ".venv" / "bin" / "uv"
    words = ["pip", "install", "--dry-run", "--python", sys.executable, "--reinstall"]
    given = ["-r", "setup.cfg", "--extra", "notebooks", "--extra", "team"]
    limits = ["-c", "requirements-extras.txt", "--excludes", "deploy/left-out.txt"]
    done = subprocess.run([uv, *words, *given, *limits], cwd=ROOT, capture_output=True, text=True)
    pins = "\n" + (ROOT / "requirements-extras.txt").read_text()
    added = [line[3:] for line in done.stderr.splitlines() if line.startswith(" + ")]
    assert len(added) > 100, done.stderr
    assert [each for each in added if f"\n{each} " not in pins] == []
    assert not any(each.startswith(("nvidia", "jupyterlab==")) for each in added)


def test_the_pip_section_for_conda_installs_the_versions_that_are_here(tmp_path):
    """As conda does: it writes the section into a file beside its own, and hands that to pip."""
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    section = yaml.safe_load((DEPLOY / "environment.yml").read_text())["dependencies"][-1]["pip"]
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "condaenv.txt").write_text("\n".join(section))
    words = ["pip", "install", "--dry-run", "--python", sys.executable, "-r", "condaenv.txt"]
    how = {"cwd": tmp_path / "deploy", "capture_output": True, "text": True}
    done = subprocess.run([ROOT / ".venv" / "bin" / "uv", *words], **how)
    assert (done.returncode, "Would make no changes" in done.stderr) == (0, True), done.stderr
