"""What a parameters cell may declare, and which values fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.errors import NotebookError, UsageError
from taxi_duration.notebooks.parameters import read_parameters


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
        ("Literal['a', 1]", "'a'", "1", 1),
        ("float | None", "None", "2.5", 2.5),
        ("float | None", "1.5", "none", None),
        ("str | None", "None", "null", None),
        ("list[str]", "[]", "a, b", ["a", "b"]),
        ("list[str]", "['a']", "", []),
        ("list[str]", "['a']", '["a,b"]', ["a,b"]),
        ("list[int]", "[1]", (1, 2), [1, 2]),
        ("list[Literal['a', 'b']]", "['a']", "b,a", ["b", "a"]),
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
        ("float | None", "None", "some"),
        ("list[int]", "[1]", "1,two"),
        ("list[int]", "[1]", "[1"),
        ("list[int]", "[1]", "[" * 100_000),
        ("list[int]", "[1]", 1),
        ("Literal[1]", "1", True),
    ],
)
def test_a_value_of_another_type_is_rejected(annotation, default, value):
    with pytest.raises(UsageError, match=r"Parameter 'name' takes .*, not "):
        declared(annotation, default).convert(value)


def test_an_option_that_is_not_offered_is_rejected_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'green'"):
        declared("Literal['green', 'yellow']", "'green'").convert("gren")


@pytest.mark.parametrize(
    "line",
    [
        "rows = 3",
        "rows: int = 1 + 2",
        "rows: int",
        "rows: frame = 3",
        "rows: list = [3]",
        "rows: tuple[int] = (3,)",
        "rows: int | str = 3",
        "rows: int = 'three'",
        "rows: int = '3'",
        "for i in []: pass",
        "rows: int =",
    ],
)
def test_a_line_that_is_no_typed_literal_is_rejected(line):
    with pytest.raises(NotebookError):
        read_parameters(line)


VALUES = {
    "bool": st.booleans(),
    "int": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "str | None": st.none() | st.text().filter(lambda text: text.lower() not in ("none", "null")),
    "list[str]": st.lists(st.text()),
}


@pytest.mark.parametrize("annotation", VALUES)
@given(data=st.data())
def test_every_literal_of_a_type_is_a_default_and_a_value_of_it(annotation, data):
    value = data.draw(VALUES[annotation])
    parameter = declared(annotation, repr(value))
    assert parameter.default == value
    assert parameter.convert(value) == value
