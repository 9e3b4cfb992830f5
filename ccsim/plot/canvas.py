"""The matplotlib side of style: settings, a figure that keeps them, measured text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from ccsim.plot.style import STYLE, drawable

__all__ = ["RunFigure", "fitted", "shown", "styled", "text_size", "text_width", "wrapped"]

# The settings that a picture depends on; the others (backend, toolbar, ...) stay the user's.
OURS = (
    *("agg.", "axes.", "figure.", "font.", "grid.", "lines.", "mathtext.", "patch.", "path."),
    *("pdf.", "ps.", "savefig.", "svg.", "text.", "xaxis.", "xtick.", "yaxis.", "ytick."),
)


@contextmanager
def styled() -> Iterator[None]:
    """Set matplotlib's defaults and `STYLE` on top for a while, whatever a matplotlibrc says."""
    settings: dict[Any, Any] = dict(matplotlib.rcParamsDefault.items())
    settings = {k: v for k, v in settings.items() if k.startswith(OURS)} | STYLE
    with matplotlib.rc_context(settings):
        yield


@contextmanager
def _fonts_without_layout(kind: str | None) -> Iterator[None]:
    """Embed fonts without their tables for ligatures and kerning: a PDF places every glyph itself,
    and to cut those tables down takes a third of the time in which one is written."""
    options: Any = import_module("fontTools.subset").Options if kind == "pdf" else None
    before = getattr(options, "_drop_tables_default", None)
    if before is None:  # of another format or release: the picture is the same
        yield
        return
    options._drop_tables_default = [*before, "GDEF", "GPOS", "GSUB", "kern"]
    try:
        yield
    finally:
        options._drop_tables_default = before


class RunFigure(Figure):
    """A figure that is saved in its own style and that notebooks show without pyplot."""

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        """Write the figure as `Figure.savefig` does, fonts embedded as TrueType; as PGF
        without LaTeX. A file is written at once: what a full disk says of a part of it the writers
        of some formats lose."""
        target = args[0] if args else None
        kind = kwargs.get("format")
        if isinstance(target, str | Path) and (kind or Path(target).suffix):
            kind = kind or Path(target).suffix[1:]
            Path(target).write_bytes(self._as_file(kind, *args[1:], **{**kwargs, "format": kind}))
            return
        with styled(), _fonts_without_layout(kind):
            super().savefig(*args, **kwargs)

    def _as_file(self, kind: str, *args: Any, **kwargs: Any) -> bytes:
        with styled(), _fonts_without_layout(kind):
            if kind == "pgf":
                from ccsim.plot.pgf import write_pgf

                text = io.StringIO()
                write_pgf(self, text, text_size)
                return text.getvalue().encode()
            image = io.BytesIO()
            super().savefig(image, *args, **kwargs)
            return image.getvalue()

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", dpi=200)
        return out.getvalue()


@lru_cache(maxsize=1)
def _font() -> tuple[RendererAgg, FontProperties, Any]:
    properties = FontProperties(family=STYLE["font.family"])
    return RendererAgg(16, 16, 72.0), properties, get_font(findfont(properties))


def text_width(text: str, size: float) -> float:
    """Return how wide a text is drawn [pt]."""
    return text_size(text, size)[0]


@lru_cache(maxsize=1024)
def text_size(text: str, size: float) -> tuple[float, float, float]:
    """Return width, height and descent of a text [pt]."""
    renderer, properties, _ = _font()
    sized = properties.copy()
    sized.set_size(size * 16)  # large, so that hinting does not round the width
    width, height, descent = renderer.get_text_width_height_descent(text, sized, ismath=False)
    return width / 16, height / 16, descent / 16


def shown(text: str) -> str:
    """Return ``text`` with whatever the font cannot draw written as its code point."""
    font = _font()[2]
    return drawable(text, lambda c: font.get_char_index(ord(c)) != 0)


def fitted(text: str, size: float, width: float) -> str:
    """Return ``text``, drawable and cut with an ellipsis to ``width`` [pt]."""
    text = shown(text)
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrapped(text: str, size: float, width: float) -> list[str]:
    """Return ``text``, drawable, in lines of at most ``width`` [pt]. Nothing of it is cut: a word
    that is wider stands alone, and wider."""
    lines: list[str] = []
    for word in shown(text).split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
