"""Fixtures of the scenario tests: three algorithms to refer to, whatever is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim import catalog

TABLE = '''"""{name}: a stand-in."""

from ccsim.kernel import TcpCongestionOps

{name} = TcpCongestionOps(name="{name}")
'''
CUBIC = '''"""cubic: a stand-in with parameters, one of them inherited from the kernel's."""

from dataclasses import dataclass

from ccsim.cc.hystart import HyStartParams
from ccsim.kernel import TcpCongestionOps


@dataclass(frozen=True)
class Params(HyStartParams):
    beta: int = 717


cubic = TcpCongestionOps(name="cubic", params=Params())
'''


@pytest.fixture
def three_algorithms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let bbr, cubic and reno be what is shipped."""
    folder = tmp_path / "algorithms"
    folder.mkdir()
    for name in ("bbr", "cubic", "reno"):
        (folder / f"{name}.py").write_text(TABLE.format(name=name))
    (folder / "cubic.py").write_text(CUBIC)
    monkeypatch.setattr(catalog, "algorithms_dir", lambda: folder)
    return folder
