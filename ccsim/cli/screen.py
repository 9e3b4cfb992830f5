"""Where text goes: how wide a line may be, and whether there is colour."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
from dataclasses import dataclass
from typing import TextIO

__all__ = ["PLAIN", "Screen", "add_form", "add_wide", "has_colour", "screen_of"]

NARROWEST = 40
_STYLES = {"bold": "1", "red": "31", "green": "32", "yellow": "33"}


@dataclass(frozen=True, slots=True)
class Screen:
    """``width`` is None where lines may be as long as they want to be; ``form`` is how tables are
    set: as text, or as `ccsim.cli.typeset` does."""

    width: int | None = None
    colour: bool = False
    form: str = "text"

    def styled(self, text: str, *styles: str) -> str:
        """Return a text in bold or a colour, where there is any."""
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

    def filled(self, text: str) -> str:
        """Return lines no longer than the screen is wide, at blanks as far as possible."""
        if self.width is None:
            return text
        width = self.width
        return "\n".join(
            line
            if len(line) <= width
            else textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False)
            for line in text.split("\n")
        )


PLAIN = Screen()


def add_wide(parser: argparse.ArgumentParser) -> None:
    """Add the option for tables as wide as they get."""
    text = "tables with all columns, however wide; else as wide as the terminal, or 80"
    parser.add_argument("--wide", action="store_true", help=text)


def add_form(parser: argparse.ArgumentParser) -> None:
    """Add the option for tables in a paper or on a page."""
    text = "tables as text, for Markdown, or for LaTeX (booktabs); default: text"
    parser.add_argument(
        "--format", dest="form", choices=("text", "md", "tex"), default="text", help=text
    )


def screen_of(args: argparse.Namespace) -> Screen:
    """Return what stdout is: where it is no terminal, 80 columns (or COLUMNS) without colour.

    Tables for papers have all columns.
    """
    form = getattr(args, "form", "text")
    if form != "text":
        return Screen(form=form)
    width = max(shutil.get_terminal_size().columns, NARROWEST)
    return Screen(None if args.wide else width, has_colour(sys.stdout))


def has_colour(stream: TextIO) -> bool:
    """Report whether a stream is a terminal with colour, which NO_COLOR (no-color.org) denies."""
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    return stream.isatty() and not dumb and not os.environ.get("NO_COLOR")
