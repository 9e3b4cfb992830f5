"""An algorithm file under torture: what a kernel would refuse, and what a hard life brings out."""

from __future__ import annotations

from ccsim.verify.torture.check import check_algorithm
from ccsim.verify.torture.report import AlgorithmReport, Finding

__all__ = ["AlgorithmReport", "Finding", "check_algorithm"]
