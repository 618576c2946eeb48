"""What a training depends on: the commit, a patch of what the checkout has beyond it, versions."""

import os
import shutil
import subprocess
import sys

import mlflow
import pytest
from sqlalchemy import Engine, event

from taxi_duration.tracking.provenance import (
    LIBRARIES,
    PACKAGE,
    Code,
    code_state,
    collect_provenance,
    developer,
    environment,
    package_digest,
)
from taxi_duration.tracking.store import open_store


def git(folder, *words):
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(["git", *who, "-C", folder, *words], capture_output=True, check=True)
    return done.stdout


@pytest.fixture
def checkout(tmp_path):
    """A repository with one commit."""
    folder = tmp_path / "checkout"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "room.py").write_text("answer = 41\n")
    (folder / ".gitignore").write_text("*.db\n")
    git(tmp_path, "init", "--quiet", folder)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Begin")
    return folder


def commit_of(folder):
    return git(folder, "rev-parse", "HEAD").decode().strip()


def test_a_clean_tree_is_its_commit(checkout):
    assert code_state(checkout) == Code(commit_of(checkout), "")


def test_a_folder_in_no_repository_has_no_commit(tmp_path):
    assert code_state(tmp_path) == Code(None, "")


def test_a_repository_without_a_commit_has_none(tmp_path):
    git(tmp_path, "init", "--quiet")
    assert code_state(tmp_path) == Code(None, "")


def test_an_ignored_file_is_no_change(checkout):
    (checkout / "runs.db").write_text("large")
    assert code_state(checkout).patch == ""


CHANGES = {
    "changed": lambda folder: (folder / "package" / "room.py").write_text("answer = 42\n"),
    "new": lambda folder: (folder / "package" / "new.py").write_text("x = 1\n"),
    "new beside the package": lambda folder: (folder / "note.ipynb").write_text("x\n"),
    "of a strange name": lambda folder: (folder / "two\nlines \udce9.py").write_text("x = 1\n"),
    "deleted": lambda folder: (folder / "package" / "room.py").unlink(),
    "binary": lambda folder: (folder / "binary.py").write_bytes(bytes(range(256))),
    "of another system": lambda folder: (folder / "dos.py").write_bytes(b"one\r\ntwo\r\n"),
    "executable": lambda folder: (folder / "package" / "room.py").chmod(0o755),
}


@pytest.fixture(params=CHANGES)
def changed(request, checkout):
    CHANGES[request.param](checkout)
    return checkout


def test_commit_and_patch_together_give_the_tree_again(changed, tmp_path):
    code = code_state(changed / "package")
    git(tmp_path, "clone", "--quiet", changed, "copy")
    (tmp_path / "patch").write_bytes(code.patch.encode())
    git(tmp_path / "copy", "apply", "--whitespace=nowarn", tmp_path / "patch")
    for folder in (changed, tmp_path / "copy"):
        git(folder, "add", "--all")
    assert git(changed, "write-tree") == git(tmp_path / "copy", "write-tree")


def test_the_repository_itself_is_left_as_it_was(changed):
    before = git(changed, "status", "--porcelain"), git(changed, "count-objects")
    code_state(changed)
    assert (git(changed, "status", "--porcelain"), git(changed, "count-objects")) == before


def test_a_user_who_likes_other_patches_makes_the_same(changed):
    usual = code_state(changed)
    for key, value in {"color.ui": "always", "diff.noprefix": "true"}.items():
        git(changed, "config", key, value)
    assert code_state(changed) == usual


WRITTEN = [
    "mlflow.sqlite", "mlflow.sqlite-wal", "mlflow.sqlite.lock", "mlruns/0/meta.yaml",
    f"mlartifacts/1/{'a1' * 16}/artifacts/notebook/02_train.ipynb",
    f"files/1/models/m-{'0f' * 16}/artifacts/code/taxi_duration/models/zones.py",
    "cards/taxi-duration-1.md", "cards/taxi-duration-1.html", "tlc/green_tripdata_2021-01.parquet",
    "answers/service=green/month=2021-02/manifest.json", "out/backtest.csv", "out/backtest.png",
]  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_what_the_tool_writes_is_no_code(checkout, name):
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("x = 1\n")
    assert code_state(checkout).patch == ""


def test_an_executed_notebook_is_no_code_and_a_copy_of_it_is(checkout):
    executed = '{"metadata": {"papermill": {}}}'
    for name in ("02_train.ipynb", "02_train.html", "03_tune.failed.ipynb"):
        (checkout / name).write_text(executed)
    assert code_state(checkout).patch == ""
    (checkout / "mine.ipynb").write_text(executed)
    assert "+++ b/mine.ipynb" in code_state(checkout).patch


def test_a_notebook_of_ones_own_beside_its_page_is_code(checkout):
    for name in ("mine.ipynb", "mine.html"):
        (checkout / name).write_text("{}")
    assert "+++ b/mine.ipynb" in code_state(checkout).patch


def test_a_new_table_of_the_library_is_code(checkout, monkeypatch):
    monkeypatch.setattr("taxi_duration.tracking.provenance.PACKAGE", checkout / "package")
    (checkout / "package" / "road.csv").write_text("x\n")
    assert "+++ b/package/road.csv" in code_state(checkout).patch


def test_what_the_tool_wrote_and_somebody_committed_is_code(checkout):
    (checkout / "card.md").write_text("one\n")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "Keep a card")
    (checkout / "card.md").write_text("two\n")
    assert "+two" in code_state(checkout).patch


def test_text_that_is_not_utf8_is_no_trouble(checkout):
    (checkout / "old.py").write_bytes("caf\xe9\n".encode("latin-1"))
    assert r"+caf\xe9" in code_state(checkout).patch


def test_the_digest_of_the_library_is_that_of_its_files(tmp_path, monkeypatch):
    before, copy = package_digest(), shutil.copytree(PACKAGE, tmp_path / "taxi_duration")
    monkeypatch.setattr("taxi_duration.tracking.provenance.PACKAGE", copy)
    assert package_digest() == before
    with (copy / "data" / "sample" / "tables" / "road.csv").open("a") as file:
        file.write("\n")
    assert package_digest() != before


def test_the_environment_has_the_versions_of_all_libraries():
    versions = environment()
    assert list(versions) == ["computer", "machine", "python", *LIBRARIES]


def test_the_developer_has_a_name():
    assert developer().strip() == developer() != ""


def test_the_developer_may_be_named_to_git_by_the_environment(monkeypatch):
    settings = {"COUNT": "1", "KEY_0": "user.name", "VALUE_0": "Ada Lovelace"}
    for name, value in settings.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    assert developer() == "Ada Lovelace"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run Python as somebody else")
def test_a_user_whom_neither_git_nor_the_machine_can_name_is_unknown():
    script = """if 1:
        import os
        from taxi_duration.tracking.provenance import developer
        os.setuid(54321)
        print(developer())"""
    nobody = dict.fromkeys(["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"], os.devnull)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE.parent, env=nobody,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "unknown"


@pytest.mark.usefixtures("store")
def test_a_month_that_another_process_logs_at_the_same_moment_is_logged_by_both(split):
    open_store()
    provenance, others = collect_provenance(), []
    run = mlflow.start_run()

    def log_it_before(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO datasets") and not others:
            others.append(mlflow.start_run(nested=True))
            provenance.log_inputs(split)
            mlflow.end_run()

    event.listen(Engine, "before_cursor_execute", log_it_before)
    with run:
        provenance.log_inputs(split)
    event.remove(Engine, "before_cursor_execute", log_it_before)
    names = [
        [each.dataset.name for each in mlflow.get_run(one.info.run_id).inputs.dataset_inputs]
        for one in (run, *others)
    ]
    assert sorted(names[0]) == sorted(names[1])
    assert len(names[0]) == 3
