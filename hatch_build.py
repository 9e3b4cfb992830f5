"""Ship algorithms and scenarios in the package; an editable install finds them beside it."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShipFiles(BuildHookInterface[Any]):
    """Add the folders to a wheel, but not to an editable one: there copies would go stale."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Map each folder into the package; ``version`` is what is built: standard or editable."""
        if version == "standard":
            for folder in ("algorithms", "scenarios"):
                build_data["force_include"][folder] = f"ccsim/{folder}"
