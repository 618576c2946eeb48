"""What a parameters cell may say, and which values fit it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.errors import NotebookError
from taxi_duration.notebooks.parameters import names_read, read_parameters


def declared(annotation, default):
    (parameter,) = read_parameters(f"from x import y\nname: {annotation} = {default}  # help")
    return parameter


def test_a_line_gives_name_type_default_and_help():
    (rows,) = read_parameters("rows: int = 3  # how many # at most")
    assert (rows.name, rows.annotation, rows.default) == ("rows", "int", 3)
    assert rows.help == "how many # at most"


def test_a_hash_in_a_default_is_not_a_comment():
    (colour,) = read_parameters('colour: str = "#fff"')
    assert (colour.default, colour.help) == ("#fff", "")


def test_a_default_may_take_several_lines():
    (models,) = read_parameters('models: list[str] = [\n    "a",\n    "b",\n]  # which')
    assert (models.default, models.help) == (["a", "b"], "which")


@pytest.mark.parametrize(
    ("annotation", "default", "value", "converted"),
    [
        ("str", "'a'", "3", "3"),
        ("int", "3", "-4", -4),
        ("float", "1.5", "2", 2.0),
        ("float", "1", 2, 2.0),
        ("bool", "True", "false", False),
        ("bool", "False", "True", True),
        ("date", "'2021-01-31'", "2021-02-28", "2021-02-28"),
        ("datetime.date", "'2021-01-31'", "2021-02-28", "2021-02-28"),
        ("Literal['a', 1]", "'a'", "1", 1),
        ("typing.Literal['a', 'b']", "'a'", "b", "b"),
        ("float | None", "None", "2.5", 2.5),
        ("float | None", "1.5", "none", None),
        ("str | None", "None", "null", None),
        ("int | str", "1", "two", "two"),
        ("date | None", "None", "2021-02-28", "2021-02-28"),
        ("list[str]", "[]", "a, b", ["a", "b"]),
        ("list[str]", "['a']", "", []),
        ("list[str]", "['a']", '["a,b"]', ["a,b"]),
        ("list[int]", "[1]", (1, 2), [1, 2]),
        ("list[Literal['a', 'b']]", "['a']", "b,a", ["b", "a"]),
        ("tuple[int, str]", "(1, 'a')", "2,b", [2, "b"]),
        ("tuple[float, ...]", "(1.0,)", "2,3,4", [2.0, 3.0, 4.0]),
    ],
)
def test_a_value_is_read_as_the_declared_type(annotation, default, value, converted):
    found = declared(annotation, default).convert(value)
    assert (found, type(found)) == (converted, type(converted))


@pytest.mark.parametrize(
    ("annotation", "default", "value"),
    [
        ("str", "'a'", 3),
        ("int", "3", "3.5"),
        ("int", "3", True),
        ("int", "3", None),
        ("float", "3.0", "fast"),
        ("bool", "True", "maybe"),
        ("bool", "True", 1),
        ("date", "'2021-01-31'", "2021-02-30"),
        ("float | None", "None", "some"),
        ("list[int]", "[1]", "1,two"),
        ("list[int]", "[1]", "[1"),
        ("list[int]", "[1]", 1),
        ("tuple[int, str]", "(1, 'a')", "2"),
        ("Literal[1]", "1", True),
    ],
)
def test_a_value_of_another_type_is_refused(annotation, default, value):
    with pytest.raises(NotebookError, match=r"Parameter 'name' takes .*, not "):
        declared(annotation, default).convert(value)


def test_a_literal_that_is_not_offered_is_answered_with_the_nearest():
    with pytest.raises(NotebookError, match="Did you mean 'green'"):
        declared("Literal['green', 'yellow']", "'green'").convert("gren")


@pytest.mark.parametrize(
    "line",
    [
        "rows = 3",
        "rows: int = 1 + 2",
        "rows: int",
        "rows: frame = 3",
        "rows: list = [3]",
        "rows: int = 'three'",
        "rows: int = '3'",
        "for i in []: pass",
        "rows: int =",
    ],
)
def test_a_line_that_is_no_typed_literal_is_refused(line):
    with pytest.raises(NotebookError):
        read_parameters(line)


@given(st.booleans() | st.integers() | st.none() | st.lists(st.text()))
def test_every_literal_of_a_type_is_a_default_and_a_value_of_it(value):
    (parameter,) = read_parameters(f"name: bool | int | list[str] | None = {value!r}")
    assert parameter.default == value
    assert parameter.convert(value) == value


def test_a_name_is_read_where_it_is_used_not_where_it_is_set():
    assert names_read(["a = b", 'f"{c}"', "d.e(f=g)"]) == {"b", "c", "d", "g"}


def test_magics_and_shell_lines_read_nothing():
    assert names_read(["%matplotlib inline\n!ls $a\nb"]) == {"b"}


def test_a_cell_that_is_not_python_is_refused():
    with pytest.raises(NotebookError, match="not Python"):
        names_read(["if:"])
