"""Which notebooks are found, and which parameters are rejected before anything starts."""

from pathlib import Path

import pytest

from taxi_duration.errors import NotebookError, UsageError
from taxi_duration.notebooks.discovery import check, find_notebooks, inspect

HERE = Path(__file__).parents[1] / "broken_notebooks"
STORY = HERE / "story.ipynb"
UNREAD = HERE / "leaves_a_parameter_unread.ipynb"


@pytest.fixture
def stages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("02_second", "01_first"):
        (folder / f"{name}.ipynb").write_bytes(STORY.read_bytes())
    (folder / ".02_second-checkpoint.ipynb").touch()
    return folder


def test_all_notebooks_are_found_in_the_order_of_their_names(stages):
    assert [path.stem for path in find_notebooks()] == ["01_first", "02_second"]


def test_named_notebooks_are_run_once_and_in_order(stages):
    found = find_notebooks(["02_second", "01_first", "02_second"])
    assert [path.stem for path in found] == ["01_first", "02_second"]


def test_a_notebook_to_be_read_is_found_by_its_name_only(stages):
    only_read = stages / "00_before.ipynb"
    only_read.write_bytes(STORY.read_bytes())
    assert [path.stem for path in find_notebooks()] == ["01_first", "02_second"]
    assert [path.stem for path in find_notebooks(["00_before"])] == ["00_before"]


def test_a_folder_of_notebooks_to_be_read_has_none_to_run(tmp_path):
    (tmp_path / "00_before.ipynb").write_bytes(STORY.read_bytes())
    with pytest.raises(UsageError, match="There are no notebooks in"):
        find_notebooks(folder=tmp_path)


def test_a_parameter_of_a_notebook_to_be_read_is_unknown_to_the_others(stages):
    (stages / "00_before.ipynb").write_bytes((HERE / "wants_a_file.ipynb").read_bytes())
    (parameter,) = inspect(stages / "00_before.ipynb")
    with pytest.raises(UsageError, match=f"no parameter '{parameter.name}'"):
        check([stages / "01_first.ipynb"], {parameter.name: "x"})


def test_a_notebook_may_be_named_by_its_path():
    assert find_notebooks([str(STORY)]) == [STORY]


def test_another_folder_may_be_named():
    assert STORY in find_notebooks(folder=HERE)


def test_an_unknown_notebook_is_rejected_with_the_nearest(stages):
    with pytest.raises(UsageError, match=r"'02_secnd'\. Did you mean '02_second'"):
        find_notebooks(["02_secnd"])


def test_a_folder_without_notebooks_is_rejected(tmp_path):
    with pytest.raises(UsageError, match=r"There are no notebooks in .*--notebooks"):
        find_notebooks(folder=tmp_path)


def test_months_reach_a_notebook_in_one_form():
    given = {"train": "2020-12,2020-11", "valid": "2021-01, 2021-03"}
    (values,) = check([HERE / "reads_a_month.ipynb"], given).values()
    assert values == {"train": "2020-11..2020-12", "valid": "2021-01,2021-03"}


def test_inspecting_returns_what_the_cell_declares():
    service, rows, models, limit = inspect(STORY)
    assert (service.annotation, service.default) == ("Literal['green', 'yellow']", "green")
    assert [rows.default, models.default, limit.default] == [3, ["median"], None]
    assert rows.help == "rides to make up"


def test_a_notebook_without_parameters_declares_none():
    assert inspect(HERE / "kills_its_kernel.ipynb") == ()


def test_an_untyped_parameter_is_rejected_by_name_of_the_notebook():
    with pytest.raises(NotebookError, match="has_an_untyped_parameter: 'rows = 3' is not"):
        inspect(HERE / "has_an_untyped_parameter.ipynb")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"worksheets": []}'])
def test_a_file_that_is_no_notebook_is_rejected(tmp_path, content):
    path = tmp_path / "odd.ipynb"
    path.write_text(content)
    with pytest.raises(NotebookError, match="is not a notebook"):
        inspect(path)


def test_a_missing_notebook_is_rejected(tmp_path):
    with pytest.raises(NotebookError, match="cannot be read: No such file"):
        inspect(tmp_path / "gone.ipynb")


def test_each_notebook_gets_the_parameters_that_it_declares():
    values = check([STORY, UNREAD], {"rows": "5", "service": "yellow"})
    assert values == {STORY: {"rows": 5, "service": "yellow"}, UNREAD: {"service": "yellow"}}


def test_a_parameter_that_no_notebook_declares_is_rejected_with_the_nearest():
    with pytest.raises(UsageError, match=r"no parameter 'rowz'\. Did you mean 'rows'"):
        check([STORY, UNREAD], {"rowz": 5})


def test_a_parameter_of_another_notebook_beside_it_is_accepted_for_that_one():
    assert check([STORY], {"rows": 5, "colour": "blue"}) == {STORY: {"rows": 5}}


def test_a_value_of_a_wrong_type_for_another_notebook_is_rejected():
    with pytest.raises(UsageError, match=r"Parameter 'rows' takes int, not 'many'"):
        check([UNREAD], {"rows": "many"})


def test_a_value_of_a_wrong_type_is_rejected_by_name_of_the_notebook():
    with pytest.raises(UsageError, match="story: Parameter 'rows' takes int, not 'many'"):
        check([STORY], {"rows": "many"})


def test_a_parameter_that_no_later_cell_reads_is_rejected():
    with pytest.raises(NotebookError, match="no cell reads the parameter 'colour'"):
        check([UNREAD], {"colour": "blue"})
