"""Every recorded call of the Linux 6.1 modules agrees; tables and parameters are Linux's."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN, TcpCongestionOps
from ccsim.verify.cc_vectors import load_algorithm, replay, vector_files
from tests.algorithms.shipped_rig import ROOT, shipped

DATA = Path(__file__).parent / "data" / "linux"
NAMES = (
    *("bic", "cdg", "dctcp", "highspeed", "htcp", "hybla", "illinois"),
    *("lp", "nv", "scalable", "vegas", "veno", "westwood", "yeah"),
)
COMMON_KINDS = {
    *("clamp", "clean", "ecn", "highbdp", "idle", "jitter", "lan", "longca", "pulses", "random"),
    *("reroute", "rsmall", "rto", "small", "stretch", "sweep", "theta", "undo", "wrap"),
}
OWN_KINDS: dict[str, set[str]] = {
    "bic": {"params"},
    "cdg": {"params", "fine", "hystart", "slowgrad", "tolerance"},
    "dctcp": {"params", "decay", "noecn"},
    "highspeed": {"table"},
    "htcp": {"params"},
    "hybla": {"params", "lowrho", "nortt", "rhosweep"},
    "illinois": {"params"},
    "lp": {"cross"},
    "nv": {"params", "dcrtt"},
    "vegas": {"params"},
    "yeah": {"bigbuf", "decong", "fast"},
}


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_call_of_the_linux_module_agrees(name: str) -> None:
    ops = load_algorithm(name)
    results = [replay(path, ops) for path in vector_files([DATA / name])]
    assert {result.kind for result in results} == COMMON_KINDS | OWN_KINDS.get(name, set())
    assert [str(result.difference) for result in results if result.difference] == []
    assert sum(result.agreed for result in results) > 5000


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_of_another_algorithm_differs(name: str) -> None:
    other = "scalable" if name != "scalable" else "bic"
    assert replay(DATA / name / "longca.jsonl.xz", load_algorithm(other)).difference is not None


@pytest.mark.parametrize("name", NAMES)
def test_a_file_declares_one_table_named_as_the_file(name: str) -> None:
    tables = {k: v for k, v in vars(shipped(name)).items() if isinstance(v, TcpCongestionOps)}
    public = {k: v for k, v in tables.items() if not k.startswith("_")}
    assert {k: v.name for k, v in public.items()} == {name: name}
    assert public[name].flags == (TCP_CONG_NEEDS_ECN if name == "dctcp" else 0)
    assert name in shipped(name).__all__


@pytest.mark.parametrize("name", NAMES)
def test_a_file_imports_kernel_toolkit_numpy_and_the_standard_library_alone(name: str) -> None:
    tree = ast.parse((ROOT / "algorithms" / f"{name}.py").read_text())
    froms = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    others = {m for m in froms if not m.startswith(("ccsim.kernel", "ccsim.cc"))}
    assert {m for m in others if m.partition(".")[0] not in sys.stdlib_module_names} == set()
    plain = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert plain <= {"numpy"}


@pytest.mark.parametrize("name", NAMES)
def test_a_private_area_begins_zeroed(name: str) -> None:
    private = vars(shipped(name))[name].private
    if private is not None:
        area = private()
        assert not any(getattr(area, field) for field in area.__slots__)


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        ("vegas", {"alpha": 2, "beta": 4, "gamma": 1}),
        ("dctcp", {"dctcp_shift_g": 4, "dctcp_alpha_on_init": 1024}),
        ("hybla", {"rtt0": 25}),
        ("htcp", {"use_rtt_scaling": 1, "use_bandwidth_switch": 1}),
        ("illinois", {"win_thresh": 15, "theta": 5}),
        ("nv", {"nv_pad": 10, "nv_reset_period": 5, "nv_min_cwnd": 2}),
        (
            "bic",
            {"fast_convergence": 1, "max_increment": 16, "low_window": 14, "beta": 819}
            | {"initial_ssthresh": 0, "smooth_part": 20},
        ),
        (
            "cdg",
            {"window": 8, "backoff_beta": 724, "backoff_factor": 42, "hystart_detect": 3}
            | {"use_ineff": 5, "use_shadow": 1, "use_tolerance": 0},
        ),
    ],
)
def test_parameters_have_linuxs_names_and_defaults(name: str, defaults: dict[str, int]) -> None:
    params = shipped(name).Params()
    assert {field: getattr(params, field) for field in params.__dataclass_fields__} == defaults


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("bic", {"max_increment": 0}, "bic: max_increment: expected 1 to 2147483647, got 0"),
        ("bic", {"beta": 1025}, "bic: beta: expected 0 to 1024, got 1025"),
        ("bic", {"smooth_part": -1}, "bic: smooth_part: expected 0 to 2147483647, got -1"),
        ("cdg", {"window": 12}, "cdg: window: expected a power of 2, got 12"),
        ("cdg", {"window": 512}, "cdg: window: expected 1 to 256, got 512"),
        ("cdg", {"backoff_beta": 1025}, "cdg: backoff_beta: expected 0 to 1024, got 1025"),
        ("cdg", {"hystart_detect": 4}, "cdg: hystart_detect: expected 0 to 3, got 4"),
        ("cubic", {"beta": 1024}, "cubic: beta: expected 0 to 1023, got 1024"),
        ("cubic", {"bic_scale": 0}, "cubic: bic_scale: expected 1 to 2147483647, got 0"),
        ("cubic", {"hystart_detect": 4}, "hystart_detect: expected 0 to 3, got 4"),
        ("cubic", {"hystart_low_window": -1}, "hystart_low_window: expected 0 to 2147483647, got"),
        ("dctcp", {"dctcp_shift_g": 11}, "dctcp: dctcp_shift_g: expected 0 to 10, got 11"),
        ("dctcp", {"dctcp_alpha_on_init": -1}, "dctcp: dctcp_alpha_on_init: expected 0 to"),
        ("hybla", {"rtt0": 0}, "hybla: rtt0: expected 1 to 2147483, got 0"),
        ("illinois", {"theta": -1}, "illinois: theta: expected 0 to 2147483647, got -1"),
        ("nv", {"nv_min_cwnd": 0}, "nv: nv_min_cwnd: expected 1 to 2147483647, got 0"),
        ("vegas", {"gamma": -1}, "vegas: gamma: expected 0 to 2147483647, got -1"),
    ],
)
def test_a_parameter_out_of_range_is_refused(
    name: str, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        shipped(name).Params(**wrong)


@pytest.mark.parametrize(("name", "unknown"), [("bic", "gamma"), ("vegas", "rtt0")])
def test_an_unknown_parameter_is_refused(name: str, unknown: str) -> None:
    with pytest.raises(TypeError, match=unknown):
        shipped(name).Params(**{unknown: 1})
