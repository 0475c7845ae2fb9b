"""Records, tables and figures of the studies, and their pages, are as they were written."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.studies import kept_results, results_pages
from benchmarks.studies.kept_results import RECORDS, SUMS
from places import ROOT
from tidemask.errors import UserError

NAMES = kept_results.studies()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A copy of a study's records beside its figures, as they lie in the repository."""
    copied = tmp_path / "studies" / "results" / "choice"
    shutil.copytree(RECORDS / "choice", copied)
    shutil.copytree(results_pages.PAGES / "figures", tmp_path / "docs" / "results" / "figures")
    return copied


def differences(study: Path) -> list[str]:
    figures = study.parents[2] / "docs" / "results" / "figures"
    return kept_results.differences(study, figures.glob("choice-*.svg"))


@pytest.mark.slow
def test_kept_results_and_their_pages_are_as_they_were_written() -> None:
    assert results_pages.problems() == []


@pytest.mark.parametrize("name", NAMES)
def test_kept_digests_are_those_of_coreutils(name: str) -> None:
    command = shutil.which("sha256sum")
    if command is None:
        pytest.skip("no sha256sum on this machine")
    done = subprocess.run(
        [command, "--check", "--strict", "--quiet", SUMS],
        cwd=RECORDS / name, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", NAMES)
def test_records_are_what_git_has_of_a_study(name: str) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no clone")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."]
    listed = subprocess.run(
        command, cwd=RECORDS / name, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    kept = {place for place in listed if place == SUMS or place.startswith("tables/")}
    assert kept_results.records_of(RECORDS / name) == sorted({*listed} - kept)


def test_digests_of_an_untouched_study_agree(study: Path) -> None:
    assert differences(study) == []


@pytest.mark.parametrize(
    "place",
    [
        "runs/bandit/seed-0/metrics.jsonl",
        "runs/bandit/seed-0/evaluation/held-out--final.npz",
        "attempts/bandit/seed-0.jsonl",
        "tables/arms.json",
        "../../../docs/results/figures/choice-difference.svg",
    ],
)
def test_digests_find_a_file_that_is_changed_or_missing(study: Path, place: str) -> None:
    file = study / place
    content = file.read_bytes()
    file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert differences(study) == [place]
    if "figures" not in place:
        file.unlink()
        assert differences(study) == [place]


def test_digests_find_a_record_that_was_added_and_no_product_of_records(study: Path) -> None:
    for place in ("report/index.html", "runs/bandit/seed-0/checkpoint-5/model.bin", ".lock"):
        (study / place).parent.mkdir(parents=True, exist_ok=True)
        (study / place).write_text("made")
    assert differences(study) == []
    shutil.copytree(study / "runs/bandit/seed-0", study / "runs/bandit/seed-9")
    assert "runs/bandit/seed-9/metrics.jsonl" in differences(study)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("difference -->", "low -->"),  # a number that is another's
        ("| baseline |", "| better |"),  # a cell of a table
        ("+0.025<!--", "+0.026<!--"),
    ],
)
def test_pages_that_were_edited_by_hand_are_named_with_their_line(
    old: str, new: str, tmp_path: Path
) -> None:
    text = (results_pages.PAGES / "choice.md").read_text(encoding="utf-8")
    page = tmp_path / "choice.md"
    page.write_text(text, encoding="utf-8")
    assert results_pages.edited(page, RECORDS / "choice") is None
    page.write_text(text.replace(old, new, 1), encoding="utf-8")
    found = results_pages.edited(page, RECORDS / "choice")
    line = text[: text.index(old)].count("\n") + 1
    assert found is not None
    assert found.startswith(f"{page}:{line}: ")


def test_number_without_a_sign_has_that_of_its_mark() -> None:
    tables = RECORDS / "choice" / "tables"
    below = "ahead by 9.9<!-- tidemask: arms constant-30 difference negative -->"
    above = "behind by 9.9<!-- tidemask: arms constant-8 difference -->"
    assert results_pages.filled(below, tables).startswith("ahead by 0.2<!--")
    assert results_pages.filled(above, tables).startswith("behind by 0.2<!--")
    for text in (
        below.replace(" negative", ""),
        above.replace("difference", "difference negative"),
    ):
        with pytest.raises(UserError, match="sign of a marked number"):
            results_pages.filled(text, tables)
    with pytest.raises(UserError, match="two signs"):
        results_pages.filled(below.replace("9.9", "−9.9"), tables)
