"""The guide on studies: its file is one, its table is the fields', its commands do what it says."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from places import ROOT
from small_runs import TINY
from tidemask.studies.definition import StudyDefinition, read_study
from tidemask.studies.directory import State

TEXT = (ROOT / "docs/guides/study.md").read_text(encoding="utf-8")
(DEFINITION,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = re.findall(r"^tidemask ((?:study|compare) .*)$", TEXT, flags=re.MULTILINE)
(PAPER,) = re.findall(r"```markdown\n(.*?)```", TEXT, flags=re.DOTALL)


def test_study_guide_shows_the_file_of_the_examples() -> None:
    assert (ROOT / "examples/decay-study.yaml").read_text(encoding="utf-8") == DEFINITION


def test_study_guide_says_in_the_paper_what_its_table_shows() -> None:
    """The marked numbers are those of the row, to the digits that are written."""
    (row,) = re.findall(r"^\| decay \|.*$", TEXT, flags=re.MULTILINE)
    shown = [float(n.replace("−", "-")) for n in re.findall(r"[+−]\d\.\d+", row)]
    marked = [
        float(number.replace("−", "-"))
        for number in re.findall(r"([+−]\d\.\d+) <!-- tidemask: arms decay \w+ -->", PAPER)
    ]
    assert [round(value, 3) for value in shown] == marked


def test_study_guide_shows_every_field_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (none|`.*?`) \|", TEXT, flags=re.MULTILINE))
    fields = {field.name: field for field in dataclasses.fields(StudyDefinition)}
    assert rows.keys() == fields.keys()
    for name, shown in rows.items():
        made = fields[name].default_factory
        default = made() if made is not dataclasses.MISSING else fields[name].default
        if shown == "none":
            assert default is dataclasses.MISSING, name
        elif name == "evaluation":
            assert default == type(default)()
        else:
            found = yaml.safe_load(shown.strip("`"))
            assert found == (list(default) if isinstance(default, tuple) else default), name


def test_study_guide_names_states_and_tests_that_there_are() -> None:
    states = re.findall(r"^\| (\w+) \| [^|]*\|$", TEXT, flags=re.MULTILINE)
    assert states == ["state", *State]
    assert all((ROOT / path).is_file() for path in re.findall(r"`(tests/[\w/]+\.py)`", TEXT))


@pytest.mark.slow
@pytest.mark.usefixtures("quick_studies")
def test_study_guide_commands_plan_train_show_and_delete(
    tidemask: Callable[..., tuple[int, str, str]],
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its file with one seed and tiny runs; a paper with one number of them."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(corpus, "corpus")
    Path("study.yaml").write_text(DEFINITION)
    assert read_study(Path("study.yaml")).seeds == (0, 1, 2)
    small = yaml.safe_load(DEFINITION)
    small |= {"seeds": [0], "settings": list(TINY)}
    Path("study.yaml").write_text(yaml.safe_dump(small))
    Path("paper.md").write_text("No seed: 1.0 <!-- tidemask: arms decay mean --> nats.\n")
    shown = []
    for line in COMMANDS:
        if line.startswith("compare"):
            status, output, errors = tidemask(*shlex.split(line))
            assert (status, "paper.md" in output + errors) == (2, True)
            continue
        more = ["--yes"] if line.startswith("study rm") else []
        status, output, errors = tidemask(*shlex.split(line), *more)
        assert status == 0, (line, errors)
        shown.append(output)
    plan, run, status, runs, removed = shown
    assert "3 of 3" not in plan
    assert plan.count("1 of 1") == 3
    assert "decay differs from constant by" in run
    assert "Page: decay-study/report/index.html" in run
    assert "Page: decay-study/report/index.html" in status
    assert runs.count("finished") == 3
    assert removed.strip() == "Deleted: decay-study/runs/matched"
