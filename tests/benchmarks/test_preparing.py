"""The benchmark of preparation: that it measures what it says, not how fast anything is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import benchmarks.preparing.page as pages
from benchmarks.preparing import languages, reach, speed
from benchmarks.preparing.page import page
from benchmarks.preparing.turn import DATASETS
from benchmarks.preparing.watching import watched


@pytest.mark.slow
def test_preparing_benchmark_rows_say_stages_words_and_memory() -> None:
    pytest.importorskip("datasets")
    pytest.importorskip("psutil")
    effort = speed.Effort(rounds=1, generated_words=5_000)
    result = speed.run(None, effort, ["none", "textblob"], workers=1)
    assert [row["contestant"] for row in result["rows"]] == ["none", "textblob", DATASETS]
    for row in result["rows"]:
        assert 0 < row["range"][0] <= row["words_per_second"] <= row["range"][1]
        assert sum(row["stages"].values()) <= 1.01 * result["num_words"] / row["range"][0]
        assert row["megabytes"] > 30
    assert f"{result['num_words']:,} words of `generated`" in page(result)


@pytest.mark.slow
def test_preparing_benchmark_of_languages_guesses_all_sentences() -> None:
    pytest.importorskip("py3langid")
    found = languages.measured("py3langid", num_guesses=20)
    assert found["sentences"] == sum(map(len, languages.SENTENCES.values())) == 39
    assert found["right"] > 35
    assert found["milliseconds"] > 0


def test_reach_makes_up_the_same_short_documents_each_time() -> None:
    documents = list(reach.short_documents(40))
    assert documents == [*reach.short_documents(40)]
    assert documents[:7] == [*reach.short_documents(7)]
    assert {len(document.split()) for document in documents} == {20}
    assert len(set(documents)) == 40


@pytest.mark.slow
def test_reach_watches_the_memory_of_a_command_with_what_it_starts() -> None:
    pytest.importorskip("psutil")
    child = "held = bytearray(b'x') * 60_000_000; import time; time.sleep(2); print(len(held))"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    found = watched([sys.executable, "-c", parent], look_seconds=0.05)
    assert found.printed == "60000000\n"
    assert found.most_bytes > 60_000_000
    assert found.cpu_seconds > 0
    with pytest.raises(RuntimeError, match="status 3"):
        watched([sys.executable, "-c", "raise SystemExit(3)"], look_seconds=0.05)


def test_reach_rows_stand_on_the_page_with_their_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reach.json"
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(pages, "REACH", path)
    assert pages.reach_section() == ""
    measured = {"processor": "P", "cores": 2, "system": "S", "versions": {"python": "3"},
                "revision": "r", "date": "d"}  # fmt: skip
    books = {"num_words": 1_200_000, "num_documents": 515, "cpu_seconds": 12.0,
             "seconds": 8.4, "megabytes": 812.4, "load_before": 3.0,
             "measured": measured}  # fmt: skip
    spacy = {"num_words": 400_000, "load_before": 2.0, "spacy_cpu_seconds": 40.0,
             "cpu_stages": {"reading text": 1.0, "training tokenizer": 3.0,
                            "tagging and tokenizing": 45.0}, "measured": measured}  # fmt: skip
    path.write_text(json.dumps({"books, none": books, "books, spacy": spacy}))
    section = pages.reach_section()
    assert "| books, none | 1,200,000 | 515 | 100,000 | 12 | 8 | 812 | 3.0 | P | r, d |" in section
    assert "`pipe` took 40.0 CPU seconds, and all else 6.0, which is 15 % of it" in section
    assert section.count("P, 2 cores, S") == 1
    assert "made up" not in section
    name = pages.SHORT_ROW.format(count=1000, words=20, deduplicate="near")
    path.write_text(json.dumps({name: books}))
    assert "The words of documents of 20 are made up.\nThe load" in pages.reach_section()


@pytest.mark.parametrize("taggers", [["none", "textblob"], ["none", "spacy:small"]])
def test_preparing_page_names_its_contestants_and_what_is_in_no_stage(taggers: list[str]) -> None:
    rows = [
        {"contestant": name, "words_per_second": 50_000.0, "range": [49_000, 51_000],
         "stages": {"reading text": 1.0, "tagging and tokenizing": 14.5}, "megabytes": 7.0}
        for name in (*taggers, DATASETS)
    ]  # fmt: skip
    result = {
        "num_words": 1_000_000, "text": "books", "workers": 2, "rows": rows,
        "training_tokenizer_seconds": 2.0, "processor": "P", "cores": 2, "system": "S",
        "versions": {"python": "3"}, "revision": "r", "date": "d", "load_before": 0.1,
    }  # fmt: skip
    written = page(result)
    assert f"- **{', '.join(taggers)}**: `tidemask.prepare` with that tagger." in written
    assert ("spacy" in written.partition("## By the command")[0]) == ("spacy:small" in taggers)
    assert written.count("| start 4.5 s, reading text 1.0 s, tagging and tokenizing 14.5 s |") == 3


@pytest.mark.parametrize(
    "arguments", [[], ["--books", "1M"], ["--books", "1M=nowhere.txt"]], ids=" ".join
)
def test_reach_bad_arguments_get_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        reach.main(arguments)
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
