"""The option `--nbval-pictures` of pytest: nbval compares texts, this compares the pictures too.

Of nbval it uses the class of its cells, and of a cell `cell`, `test_outputs`, `options` and
`raise_cell_error`. Without the option nothing is imported and nothing happens.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("nbval").addoption(
        "--nbval-pictures", action="store_true",
        help="With --nbval, compare stored PNG pictures with fresh ones by their pixels.",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Start to compare, if the option is given."""
    if not config.getoption("nbval_pictures"):
        return
    try:
        import nbval.plugin  # noqa: F401
    except ImportError:
        raise pytest.UsageError(
            "--nbval-pictures needs nbval. Install it: pip install nbval."
        ) from None
    config.pluginmanager.register(_Comparison())


class _Comparison:
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Compare a cell's pictures after its texts, where nbval compares those."""
        from nbval.plugin import IPyNbCell

        yield
        is_cell = isinstance(item, IPyNbCell)
        if is_cell and item.options["check"] and item.cell.execution_count is not None:
            _compare(item)


def _compare(item: pytest.Item) -> None:
    from taxi_duration.notebooks.pictures import difference, read_pictures

    stored, fresh = read_pictures(item.cell.outputs), read_pictures(item.test_outputs)
    if found := difference(stored, fresh):
        folder = item.config._tmp_path_factory.mktemp("pictures")
        for kind, pictures in (("stored", stored), ("fresh", fresh)):
            for number, picture in enumerate(pictures, 1):
                (folder / f"{number}-{kind}.png").write_bytes(picture.png)
        item.raise_cell_error(f"{found}. See {folder}")
