"""A stored study, as a notebook asks for it: its tables as data frames, what it found, queries."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccsim.errors import CcsimError
from ccsim.experiment.integrity import check_study
from ccsim.experiment.parquet import connect
from ccsim.experiment.study.listing import study_folder
from ccsim.experiment.study.query import Answer, query, study_database
from ccsim.experiment.study.summary import Summary, summarise
from ccsim.notebook import NOTEBOOK_DPI, html_picture, plural
from ccsim.words import listed

if TYPE_CHECKING:
    import pandas
    import polars
    from matplotlib.figure import Figure

__all__ = ["STUDY_TABLES", "StoredStudy", "load_study"]

STUDY_TABLES = ("runs", "flows", "links", "totals", "metrics")


@dataclass(frozen=True, eq=False)
class StoredStudy:
    """One study in its folder ``path``, which may still be under way."""

    path: Path

    def __repr__(self) -> str:
        runs = plural(len(self._table("runs")[1]), "run")
        return f"<StoredStudy {self.name} ({self.status}): {runs}; {self.path}>"

    def _repr_html_(self) -> str:
        """Return the headline of every point, and its picture if it has one, as a notebook shows
        it."""
        table = self.summary()._repr_html_()
        try:
            figure = self.plot()
        except CcsimError:
            return table
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=NOTEBOOK_DPI)
        return table + html_picture(image.getvalue(), f"the picture of {self.name}")

    def plot(self, metric: str = "deficit_s") -> Figure:
        """Return the figure of what swaps cost: a curve over one numeric factor, else maps.

        CcsimError, with the metrics that there are, if the study has no such picture.
        """
        from ccsim.experiment.curves import curve_sheets
        from ccsim.experiment.heat_maps import heat_sheets
        from ccsim.experiment.matrix import load_matrix
        from ccsim.plot.heat import heat_figure
        from ccsim.plot.response import curve_figure

        matrix = load_matrix(self.path)
        curves = {sheet.name: sheet for sheet in curve_sheets(matrix)}
        maps = {sheet.name: sheet for sheet in heat_sheets(matrix)}
        if metric in curves:
            return curve_figure(curves[metric])
        if metric in maps:
            return heat_figure(maps[metric])
        there = listed([*curves, *maps]) or "swaps that a picture can show"
        raise CcsimError(f"{self.name}: plot: expected {there}, got {metric!r}")

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = check_study(self.path)[0]
        return manifest

    @property
    def name(self) -> str:
        """The study's name."""
        return self.path.name

    @property
    def status(self) -> str:
        """How far it is: complete, stopped, interrupted, running."""
        return str(self._manifest["status"])

    def summary(self, metric: str = "deficit_s", detect: float | None = None) -> Summary:
        """Return what it found about a metric, point by point; ValueError for an unknown one."""
        return summarise(self.path, metric, detect)

    def query(self, sql: str) -> Answer:
        """Return what a SELECT gives over its tables, as `ccsim query` does."""
        return query(str(self.path), sql, self.path.parent)

    def to_pandas(self, table: str = "runs") -> pandas.DataFrame:
        """Return one of `STUDY_TABLES` as a pandas data frame; ImportError without pandas."""
        columns, rows = self._table(table)
        made: pandas.DataFrame = import_module("pandas").DataFrame(rows, columns=columns)
        return made

    def to_polars(self, table: str = "runs") -> polars.DataFrame:
        """Return one of `STUDY_TABLES` as a polars data frame; ImportError without polars."""
        columns, rows = self._table(table)
        frame = import_module("polars")
        made: polars.DataFrame = frame.DataFrame(
            rows, schema=columns, orient="row", infer_schema_length=None
        )
        return made

    def _table(self, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        if table not in STUDY_TABLES:
            raise CcsimError(f"table: expected {listed(STUDY_TABLES)}, got {table!r}")
        with connect() as db:
            study_database(db, self.path)
            found = db.execute(f"SELECT * FROM {table}")
            columns = [column[0] for column in found.description or ()]
            return columns, found.fetchall()


def load_study(name: str | Path, results: str | Path = "results") -> StoredStudy:
    """Return a stored study by its folder, or by its name below ``results``; ResultsError if there
    is none, or it is not what was written."""
    study = StoredStudy(study_folder(str(name), Path(results)))
    check_study(study.path)
    return study
