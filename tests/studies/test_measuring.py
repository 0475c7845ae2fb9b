"""What a study is to measure is known to be there before the first run is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidemask.errors import UserError
from tidemask.studies.definition import Arm, StudyDefinition, StudyEvaluation
from tidemask.studies.measuring import check_measurements, measurement_marks

ARMS = {"constant": Arm(recipe="bert"), "decay": Arm(recipe="mrd-cosine")}


def study(primary: str = "held_out/loss", **evaluation: Any) -> StudyDefinition:
    return StudyDefinition(
        corpus="corpus", arms=ARMS, baseline="constant", seeds=(0, 1), primary=primary,
        evaluation=StudyEvaluation(**evaluation),
    )  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sentences that are acceptable or not, in two splits."""
    (tmp_path / "cola").mkdir()
    for split in ("train", "dev"):
        lines = [f'{{"sentence": "a text {n}", "label": {n % 2}}}\n' for n in range(8)]
        (tmp_path / "cola" / f"{split}.jsonl").write_text("".join(lines))
    return tmp_path


def test_a_task_that_cannot_be_measured_is_refused_before_the_first_run(data: Path) -> None:
    wrong = {
        "no such task: clola": study(tasks=["clola"]),
        "no such directory: tasks_from=": study(tasks=["cola"], tasks_from=str(data / "none")),
        "task that cannot be measured: sst2": study(tasks=["sst2"], tasks_from=str(data)),
        "Did you mean num_seeds": study(tasks=["held-out"], settings=["fine_tuning.num_seds=2"]),
        "primary=cola/mcc": study("cola/mcc", tasks=["cola"], tasks_from=str(data)),
    }
    for expected, definition in wrong.items():
        with pytest.raises(UserError) as error:
            check_measurements(definition)
        assert expected in str(error.value), str(error.value)
        assert "\n" not in str(error.value)


def test_a_task_or_a_held_out_loss_may_decide(data: Path) -> None:
    for primary in ("cola", "held_out/loss", "held_out/loss_15"):
        check_measurements(study(primary, tasks=["held-out", "cola"], tasks_from=str(data)))
    check_measurements(study())


def test_a_task_file_in_another_encoding_is_one_line_before_the_first_run(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_bytes("# für Wörter\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"unreadable task: .*own.yaml, line 1, column 4"):
        measurement_marks(StudyEvaluation(tasks=(str(file),)))
