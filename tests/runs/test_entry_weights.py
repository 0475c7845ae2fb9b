"""Weights of entries from a file: read in both forms, recorded with the run, refused when wrong."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cases import all_cases
from small_runs import same_weights, started, stopped_at
from tidemask.errors import UserError
from tidemask.masking.mixture import ByMixture, ContentPart
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.policy_part import PolicyPhase
from tidemask.masking.weighting import ByEntries, Uniform
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import load_recipe, read_run_config
from tidemask.runs.entry_weights import coverage_note, listed_weights, recorded
from tidemask.runs.policy_contents import without_places
from tidemask.runs.preview import preview
from tidemask.runs.train import train

IDS = {"[PAD]": 0, "cat": 1, "##s": 2, "dog": 3, "\u2028": 4}


def listed(path: Path, content: str) -> list[float]:
    path.write_text(content, encoding="utf-8")
    return listed_weights(ByEntries(weights=str(path)), IDS, 6).table.nan_to_num(nan=-1.0).tolist()


def test_weights_are_read_from_lines_and_from_json(tmp_path: Path) -> None:
    expected = [-1.0, 2.0, 0.5, -1.0, 3.0, -1.0]
    lines = "cat\t2\r\n\n##s\t0.5\n\u2028\t3\nzebra\t9\n"
    assert listed(tmp_path / "w.tsv", lines) == expected
    weights = {"cat": 2, "##s": 0.5, "\u2028": 3, "zebra": 9}
    assert listed(tmp_path / "w.json", json.dumps(weights)) == expected


@all_cases(
    ("name", "content", "message"),
    [
        ("w.tsv", "cat\t1\ndog 2\n", r'line 2: "dog 2"\. Expected an entry, a tab and a number'),
        ("w.tsv", "cat\tmuch\n", r'line 1: "cat\\tmuch"\. Expected'),
        ("w.tsv", "cat\t1\ncat\t2\n", r"line 2: .* names its entry again"),
        ("w.tsv", "cat\t-1\n", r'"cat" has the weight -1\. Expected finite weights'),
        ("w.tsv", "cat\tnan\n", r'"cat" has the weight nan\.'),
        ("w.tsv", "cat\tinf\n", r'"cat" has the weight inf\.'),
        ("w.tsv", "zebra\t1\n", r'names no entry of the vocabulary such as "zebra"\. .* "\[PAD\]"'),
        ("w.tsv", "", r"names no entry of the vocabulary\."),
        ("w.json", '{"cat": "1"}', r'damaged weights: .*cat="1"'),
        ("w.json", '{"cat": 1, "cat": 2}', r"the key cat is there twice"),
        ("w.json", '{"cat": NaN}', r"damaged weights: "),
        ("w.json", "[1]", r"damaged weights: "),
    ],
)
def test_wrong_files_of_weights_are_refused_in_one_line(
    name: str, content: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as refused:
        listed(tmp_path / name, content)
    assert "\n" not in str(refused.value)


def test_a_file_of_weights_that_is_not_there_is_refused(corpus: Path) -> None:
    settings = {"masking.content": {"weighting": "entries", "weights": "nowhere.tsv"}}
    with pytest.raises(UserError, match=r"^no such file: nowhere\.tsv\.$"):
        preview(corpus, load_recipe("bert", settings))


def test_coverage_counts_entries_and_tokens_and_names_what_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "w.tsv"
    path.write_text("cat\t2\ndog\t1\n" + "".join(f"z{i}\t1\n" for i in range(7)))
    found = listed_weights(ByEntries(weights=str(path)), IDS, 5)
    note = coverage_note(found, torch.tensor([0, 30, 50, 10, 10]))
    assert note == (
        "w.tsv has weights for 2 of 5 vocabulary entries, 40.0% of the training tokens; the "
        'vocabulary lacks "z0", "z1", "z2", "z3", "z4" and 2 more.'
    )


def test_files_in_every_part_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.tsv").write_text("cat\t2\n")
    monkeypatch.chdir(tmp_path)
    content = ByEntries(weights="w.tsv")
    mixture = ByMixture(
        parts=(ContentPart(share=0.5, content=content), ContentPart(share=0.5, content=Uniform()))
    )
    policy = MaskingSettings(phases=(PolicyPhase(until=0.5, content=mixture),
                                     PolicyPhase(until=1.0, content=content)))  # fmt: skip
    entries = [one for one in recorded(policy).contents if isinstance(one, ByEntries)]
    assert {one.weights for one in entries} == {str(tmp_path / "w.tsv")}
    assert len({one.fingerprint for one in entries}) == 1
    assert len(str(entries[0].fingerprint)) == 64
    first = without_places(recorded(policy))
    (tmp_path / "moved.tsv").write_text("cat\t2\n")
    moved = replace(policy.phases[1], content=ByEntries(weights="moved.tsv"))
    moved_policy = replace(policy, phases=(policy.phases[0], moved))
    assert without_places(recorded(moved_policy)) == first
    (tmp_path / "w.tsv").write_text("cat\t3\n")
    assert without_places(recorded(policy)) != first


def test_a_recipe_that_recorded_other_weights_is_refused(tmp_path: Path) -> None:
    """Such as the run.yaml of a run, given as the recipe of a new one."""
    path = tmp_path / "w.tsv"
    path.write_text("the\t3\n", encoding="utf-8")
    kept = recorded(MaskingSettings(content=ByEntries(weights=str(path))))
    assert recorded(kept) == kept
    path.write_text("the\t2\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"weights changed: .*masking\.content\.fingerprint=null"):
        recorded(kept)


def test_a_preview_says_what_its_files_cover_and_which_entries_are_unknown(
    corpus: Path, tmp_path: Path, tidemask: Callable[..., tuple[int, str, str]]
) -> None:
    """In the terminal, on the page, and once for all steps."""
    path, page = tmp_path / "w.tsv", tmp_path / "page.html"
    path.write_text("the\t3\nqq<q>q\t1\n", encoding="utf-8")
    content = json.dumps({"weighting": "entries", "weights": str(path)})
    command = ["preview", corpus, "--recipe", "bert", "--progress", "0,1"]
    status, _, err = tidemask(*command, "--html", page, f"masking.content={content}")
    assert status == 0
    assert err.count("w.tsv has weights for 1 of") == err.count('vocabulary lacks "qq<q>q".') == 1
    shown = html.unescape(page.read_text(encoding="utf-8"))
    assert 'of the training tokens; the vocabulary lacks "qq<q>q".' in shown
    assert tidemask(*command)[2].count("vocabulary lacks") == 0


@pytest.mark.slow
def test_a_run_keeps_its_weights_and_refuses_others(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.tsv"
    path.write_text("the\t3\nof\t0\nqqqq\t1\n", encoding="utf-8")
    content = json.dumps({"weighting": "entries", "weights": str(path)})
    notes: list[str] = []
    run = started(corpus, tmp_path / "run", "bert", f"masking.content={content}",
                  "training.max_steps=4", "training.save_steps=2")  # fmt: skip
    train(run, RunCallbacks(on_note=notes.append))
    assert any(note.startswith("w.tsv has weights for 2 of") for note in notes)
    kept = read_run_config(run.config).masking.content
    assert isinstance(kept, ByEntries)
    assert (kept.weights, len(str(kept.fingerprint))) == (str(path), 64)
    broken = stopped_at(run, 2, tmp_path / "broken")
    path.write_text("the\t2\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"weights changed: .* Restore the file, or start a new"):
        train(broken)
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        train(broken)
    path.write_text("the\t3\nof\t0\nqqqq\t1\n", encoding="utf-8")
    train(broken)
    assert same_weights(broken, run)
