"""The quick import of a process that draws: only documentation is missing, and nothing stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def printed(code: str) -> list[str]:
    """Return the lines that a fresh process prints, which must not warn."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_what_is_imported_has_no_lists_of_properties_and_works() -> None:
    code = """
from ccsim.plot.undocumented import import_undocumented
import_undocumented()
import sys
from matplotlib.figure import Figure
axes = Figure().add_axes((0, 0, 1, 1))
axes.set(xlabel="Time (s)", ylim=(2, 5))
print(axes.get_xlabel(), *axes.get_ylim())
print("set_ylim" in axes.set.__doc__, "unknown")
try:
    axes.set(colour="red")
except AttributeError as error:
    print("colour" in str(error))
"""
    assert printed(code) == ["Time (s) 2.0 5.0", "False unknown", "True"]


def test_what_is_imported_later_is_as_it_always_is() -> None:
    code = """
from ccsim.plot.undocumented import import_undocumented
import_undocumented()
import sys
print("mpl_toolkits.mplot3d" in sys.modules)
from matplotlib.artist import ArtistInspector, kwdoc
from matplotlib.lines import Line2D
print("linewidth" in kwdoc(Line2D), "linewidth" in ArtistInspector(Line2D).get_setters())
from mpl_toolkits.mplot3d import Axes3D
print(Axes3D.name)
"""
    assert printed(code) == ["False", "True True", "3d"]


def test_axes_in_three_dimensions_that_are_there_already_stay() -> None:
    code = """
import sys
from mpl_toolkits.mplot3d import Axes3D
from ccsim.plot.undocumented import import_undocumented
import_undocumented()
print(sys.modules["mpl_toolkits.mplot3d"].Axes3D is Axes3D)
"""
    assert printed(code) == ["True"]


def test_without_it_matplotlib_documents_its_properties() -> None:
    code = """
from matplotlib.axes import Axes
print("xlabel" in Axes.set.__doc__)
"""
    assert printed(code) == ["True"]
