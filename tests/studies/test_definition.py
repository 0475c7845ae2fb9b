"""The file of a study: what it may hold, and the line that names what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemask.errors import UserError
from tidemask.studies.definition import Arm, StudyDefinition, read_study

WHOLE = """
corpus: corpus
baseline: constant
seeds: [0, 1]
arms:
  constant: {recipe: bert}
  decay: {recipe: own.yaml, overrides: [masking.unit=token]}
"""


def test_damaged_files_are_named_by_key_value_and_what_is_expected(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    wrong = {
        ("seeds: [0, 1]", "seed: [0, 1]"): "unknown key seed. Did you mean seeds?",
        ("{recipe: bert}", "{recipe: bert, override: []}"): (
            "unknown key arms.constant.override. Did you mean overrides?"
        ),
        ("{recipe: bert}", "{}"): "arms.constant.recipe is missing",
        ("baseline: constant", "baseline: constnt"): "Did you mean constant?",
        ("seeds: [0, 1]", "seeds: [0, 0]"): "0 is there twice",
        ("seeds: [0, 1]", "seeds: []"): "Expected at least one",
        ("seeds: [0, 1]", "seeds: [-1]"): "seeds=-1",
        ("seeds: [0, 1]", "seeds: [a]"): 'seeds.0="a"',
        ("seeds: [0, 1]", "seeds: [0, 1]\nmargin: 0"): "margin=0",
        ("seeds: [0, 1]", "seeds: [0, 1]\nmargin: .inf"): "margin",
        ("seeds: [0, 1]", "seeds: [0, 1]\nprimary: held_out/los"): "Did you mean held_out/loss?",
        ("seeds: [0, 1]", "seeds: [0, 1]\nprimary: cola/mcc"): "a task in evaluation.tasks",
        ("corpus: corpus", "corpus: {'': a, b: b}"): "several by name",
        ("seeds: [0, 1]", "seeds: [0, 1]\nequal: epochs"): 'equal="epochs"',
        ("seeds: [0, 1]", "seeds: [0, 1]\nseeds: [2]"): "the key seeds is already in line 4",
        ("  decay:", "  ../up:"): "'../up'",
        ("  decay:", "  Constant:"): "differ in more than capitals",
    }
    for (old, new), expected in wrong.items():
        file.write_text(WHOLE.replace(old, new))
        with pytest.raises(UserError) as error:
            read_study(file)
        assert expected in str(error.value), (new, str(error.value))
        assert str(file) in str(error.value), new


def test_one_arm_compares_nothing() -> None:
    with pytest.raises(ValueError, match="Expected two or more"):
        StudyDefinition(corpus="c", arms={"a": Arm(recipe="bert")}, baseline="a", seeds=[0])
