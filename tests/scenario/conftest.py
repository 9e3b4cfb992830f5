"""Fixtures of the scenario tests: three algorithms to refer to, whatever is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim import catalog

TABLE = '''"""{name}: a stand-in."""

from ccsim.kernel import TcpCongestionOps

{name} = TcpCongestionOps(name="{name}")
'''


@pytest.fixture
def three_algorithms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let bbr, cubic and reno be what is shipped."""
    folder = tmp_path / "algorithms"
    folder.mkdir()
    for name in ("bbr", "cubic", "reno"):
        (folder / f"{name}.py").write_text(TABLE.format(name=name))
    monkeypatch.setattr(catalog, "algorithms_dir", lambda: folder)
    return folder
