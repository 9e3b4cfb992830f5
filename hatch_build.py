"""Ship algorithms, scenarios and machine code in the package; an editable install finds the first
two beside it, and compiles when it is told to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_COMPILE = """
import sys
from pathlib import Path
from ccsim.compiled import PACKAGED, build_name
from ccsim.compiled.build import compile_into
from ccsim.errors import CcsimError
try:
    folder = Path(sys.argv[1]) / build_name()
    compile_into(folder, int(sys.argv[2]))
except CcsimError as error:
    sys.exit(str(error))
print(f"{PACKAGED}/{folder.name}")
"""


class ShipFiles(BuildHookInterface[Any]):
    """Add to a wheel what is not below ``ccsim/``. In an editable one copies would go stale."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Map each folder into the package; ``version`` is what is built: standard or editable.

        Machine code makes the wheel one of this interpreter and platform. CCSIM_PURE=1 in the
        environment makes one of Python alone, and so does a machine without a C compiler.
        """
        if version != "standard":
            return
        for folder in ("algorithms", "scenarios"):
            build_data["force_include"][folder] = f"ccsim/{folder}"
        if os.environ.get("CCSIM_PURE"):
            return
        self.scratch = TemporaryDirectory(prefix="ccsim-wheel-")
        place = self._compile(Path(self.scratch.name))
        if place:
            build_data["force_include"][str(Path(self.scratch.name, Path(place).name))] = (
                f"ccsim/{place}"
            )
            build_data["pure_python"] = False
            build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled, now that the wheel holds it."""
        if hasattr(self, "scratch"):
            self.scratch.cleanup()

    def _compile(self, target: Path) -> str:
        """Compile below ``target``; return the place in the package, or say in one line why not."""
        paths = os.pathsep.join((self.root, *(path for path in sys.path if path)))
        done = subprocess.run(
            [sys.executable, "-P", "-c", _COMPILE, str(target), str(_cores())],
            env={**os.environ, "PYTHONPATH": paths, "CCSIM_PURE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout.strip()
        why = done.stderr.strip().replace("\n", "; ") or f"status {done.returncode}"
        self.app.display_warning(f"ccsim is installed as pure Python: {why}")
        return ""


def _cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
