"""Columns as data frames: pandas, polars, and whatever reads Arrow's stream, without a copy.

The Arrow PyCapsule interface hands over the arrays where they lie; `nanoarrow` (the extra
``frames``) puts them into its form. pandas and polars are imported where they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas
    import polars

__all__ = ["Frame"]

Column = NDArray[np.int64]


class Frame:
    """What has int64 columns of one length, by name."""

    __slots__ = ()

    def columns(self) -> dict[str, Column]:
        """Return the columns by name, in order; views, not copies."""
        raise NotImplementedError

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return, for a column that holds indices, what they mean."""
        return {}

    def to_pandas(self) -> pandas.DataFrame:
        """Return a pandas data frame; indices that mean names are categories. ImportError without
        pandas."""
        frame = import_module("pandas")
        columns: dict[str, Any] = self.columns()
        for name, meaning in self.names().items():
            columns[name] = frame.Categorical.from_codes(*_categories(columns[name], meaning))
        made: pandas.DataFrame = frame.DataFrame(columns, copy=False)
        return made

    def to_polars(self) -> polars.DataFrame:
        """Return a polars data frame; indices that mean names are text. ImportError without
        polars."""
        columns: dict[str, Any] = self.columns()
        for name, meaning in self.names().items():
            columns[name] = np.array(meaning, dtype=object)[columns[name]]
        made: polars.DataFrame = import_module("polars").DataFrame(columns)
        return made

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the columns as an Arrow stream of one batch (the Arrow PyCapsule interface)."""
        arrow = import_module("nanoarrow")
        columns = {name: np.ascontiguousarray(data) for name, data in self.columns().items()}
        rows = len(next(iter(columns.values())))
        whole = arrow.c_array_from_buffers(
            arrow.struct({name: arrow.int64() for name in columns}),
            rows,
            [None],
            null_count=0,
            children=[
                arrow.c_array_from_buffers(arrow.int64(), rows, [None, data], null_count=0)
                for data in columns.values()
            ],
        )
        return arrow.ArrayStream(whole).__arrow_c_stream__(requested_schema)


def _categories(codes: Column, meaning: tuple[str, ...]) -> tuple[Column, list[str]]:
    """Return indices into distinct names: a name that served twice is one category."""
    distinct = list(dict.fromkeys(meaning))
    return np.array([distinct.index(name) for name in meaning], dtype=np.int64)[codes], distinct
