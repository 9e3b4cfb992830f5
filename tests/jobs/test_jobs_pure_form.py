"""Both forms on random scenarios: alike, told where they are not, refused where there is one."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.cli import main
from ccsim.compiled import some_imported
from ccsim.errors import CcsimError
from ccsim.jobs import pure_form
from ccsim.jobs.pure_form import PureForm
from ccsim.scenario import parse_scenario
from ccsim.verify.fuzz.equality import digests_of, fuzz
from ccsim.verify.fuzz.scenarios import TEMPLATE_YAML, Example, RandomDraw, make_example


@pytest.fixture(scope="module")
def template() -> Any:
    return parse_scenario(TEMPLATE_YAML, "fuzz.yaml").resolved()


@pytest.fixture
def example() -> Example:
    return make_example(RandomDraw(11), hops=False, late=False)


@pytest.fixture
def pure(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(pure_form, "some_imported", lambda: True)
    with PureForm() as found:
        yield found


def test_forms_that_agree_have_no_difference(pure: PureForm, template: Any) -> None:
    report = fuzz(7, template, examples=5, check=pure.difference)
    assert (report.examples, report.failure) == (5, None)


def test_the_first_column_that_differs_is_named(
    pure: PureForm, example: Example, template: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(scenario: Any, template: Any) -> dict[str, str]:
        found = digests_of(scenario, template)
        return {**found, "flows.0.snd_cwnd": "0", "links.0.queue_packets": "0"}

    monkeypatch.setattr(pure_form, "digests_of", another)
    said = pure.difference(example, template)
    assert said.startswith("pure and compiled: ")
    assert said.split()[-3:] in (["and", "1", "more"], ["and", "0", "more"])


def test_a_run_that_fails_must_fail_alike(pure: PureForm, example: Example, template: Any) -> None:
    broken = Example({**example.scenario, "duration_ns": "soon"}, example.cuts)
    assert pure.difference(broken, template) == ""
    assert [*digests_of(broken.scenario, template)] == ["error"]


def test_digests_tell_columns_apart(example: Example, template: Any) -> None:
    found = digests_of(example.scenario, template)
    assert found == digests_of(example.scenario, template)
    tcp = {**example.scenario["tcp"], "initial_window": 7}
    other = digests_of({**example.scenario, "tcp": tcp}, template)
    assert found["flows.0.start_ns"] == other["flows.0.start_ns"]
    assert found["flows.0.snd_cwnd"] != other["flows.0.snd_cwnd"]


@pytest.mark.skipif(some_imported(), reason="there is machine code")
def test_without_machine_code_there_is_nothing_to_compare() -> None:
    with pytest.raises(CcsimError, match="expected machine code, and this runs as Python"):
        PureForm()
    assert main(["fuzz", "--pure-vs-compiled", "--seconds", "1"]) == 2


@pytest.mark.skipif(not some_imported(), reason="needs machine code")
def test_the_verb_finds_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--pure-vs-compiled", "--seconds", "5", "--seed", "3"]) == 0
    assert "no difference" in capsys.readouterr().out
