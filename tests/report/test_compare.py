from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from synthetic_results import SyntheticResults, write_results
from synthetic_runs import MakeRun, write_comparison, write_four
from tidemask.errors import UserError
from tidemask.report import compare as module
from tidemask.report.compare import Comparison

FIGURES = {
    "difference",
    "difference_by_step",
    "class_loss",
    "class_share",
    "class_share_groups",
    "cost",
    "final_held_out",
    "held_out_by_flops",
    "held_out_by_predicted_tokens",
    "held_out_by_step",
    "held_out_by_tokens_seen",
    "held_out_by_wall_seconds",
    "ratio",
}


def page_of(path: Path) -> str:
    return (path / "index.html").read_text()


def words_of(page: str) -> str:
    return " ".join("".join(ElementTree.fromstring(page).itertext()).split())


def test_compare_writes_page_figures_and_tables(comparison: Comparison) -> None:
    assert comparison.page.is_file()
    assert {path.name for path in comparison.figures} == {f"{name}.svg" for name in FIGURES}
    names = {path.name for path in comparison.tables}
    assert {name for name in names if name.endswith(".csv")} == {
        "arms.csv",
        "class_loss.csv",
        "class_share.csv",
        "differences_by_step.csv",
        "downstream.csv",
        "downstream_medians.csv",
        "downstream_metrics.csv",
        "downstream_scores.csv",
        "held_out.csv",
        "held_out_class.csv",
        "held_out_frequency.csv",
        "measures.csv",
        "scores.csv",
        "settings.csv",
        "steps.csv",
        "steps_to_match.csv",
        "trained_under.csv",
    }
    assert {"arms.json", "arms.md", "arms.tex", "scores.txt"} <= names
    assert all(path.stat().st_size for path in (*comparison.figures, *comparison.tables))


def test_compare_summary_is_what_a_terminal_shows(comparison: Comparison) -> None:
    titles = [column.name for column in comparison.summary.shown_columns]
    assert titles[:2] == ["run", "mean_ratio"]
    assert {"loss", "gain", "unigram_cross_entropy", "unigram_entropy", "wall_seconds"} <= set(
        titles
    )
    text = (comparison.directory / "tables" / "scores.txt").read_text()
    assert text == comparison.summary.to_text()
    assert comparison.warnings == ()
    assert "no claim" in comparison.seeds


def test_page_is_well_formed_and_names_every_run(comparison: Comparison) -> None:
    page = page_of(comparison.directory)
    assert page.startswith("<!DOCTYPE html>\n")
    words = words_of(page)
    for label in ("bert", "constant-matched", "mrd-cosine", "ptw-mrd"):
        assert f"All settings of {label}" in words
    assert "One seed supports no claim" in words
    assert "with one seed: no interval" in words
    assert "On equal terms" in words
    assert "Remarks before reading" not in words
    assert "horizon_steps: auto" in words


def test_page_loads_nothing_from_outside(comparison: Comparison) -> None:
    tree = ElementTree.fromstring(page_of(comparison.directory))
    for element in tree.iter():
        assert element.tag.rpartition("}")[2] not in {"link", "img", "iframe", "object"}
        for name, value in element.attrib.items():
            assert name not in {"src", "data", "srcset"}
            if name.rpartition("}")[2] == "href":
                assert value.startswith(("#", "tables/", "figures/"))
    style = "".join(element.text or "" for element in tree.iter("style"))
    assert "@import" not in style
    assert "url(" not in style


def test_page_shows_the_scores(comparison: Comparison) -> None:
    words = words_of(page_of(comparison.directory))
    for row in comparison.summary.shown_rows():
        for cell in row:
            assert cell.partition(" ± ")[0] in words


@pytest.mark.usefixtures("bare_pages")
def test_compare_shows_downstream_scores(make_run: MakeRun, tmp_path: Path) -> None:
    made = SyntheticResults(tasks=("blimp", "sst2"), checkpoints=("checkpoint-50", "final"))
    run = write_results(make_run("one"), made)
    for path in list((run / "evaluation").glob("blimp*")):
        path.write_text(path.read_text().replace('"blimp"', '"my task: 1"'))
        path.rename(path.with_name(path.name.replace("blimp", "my task: 1")))
    comparison = write_comparison([run], out=tmp_path / "out")
    names = {path.stem for path in comparison.figures if path.stem.startswith("downstream")}
    assert names == {"downstream", "downstream_sst2", "downstream_my_task_1"}
    words = words_of(page_of(comparison.directory))
    for row in comparison.downstream.shown_rows():
        for cell in row:
            assert all(part in words for part in cell.rstrip(")").split(" ("))
    assert "Downstream scores against pre-training steps" in words
    assert "sst2 (bert, random weights): 2 of 872 sequences were cut at 128 tokens." in words


@pytest.mark.usefixtures("bare_pages")
def test_page_names_a_missing_evaluation(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("one"), make_run("two", recipe="ptw", evaluated=False, held_out_every=0)]
    words = words_of(page_of(write_comparison(runs, out=tmp_path / "out").directory))
    assert "ptw has no held-out evaluation" in words
    assert "ptw: no held-out loss was measured while it was training." in words
    assert "ptw: not evaluated." in words


@pytest.mark.usefixtures("bare_pages")
def test_page_warns_of_unequal_terms_and_unfinished_runs(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("one"), make_run("two", recipe="ptw", seed=18, last_step=50)]
    words = words_of(page_of(write_comparison(runs, out=tmp_path / "out").directory))
    assert "The runs are not on equal terms" in words
    assert "the sets of seeds differ: 17 in bert; 18 in ptw." in words
    assert "ptw is unfinished: step 50 of 100" in words


@pytest.mark.usefixtures("bare_pages")
def test_page_escapes_texts_of_a_run(make_run: MakeRun, tmp_path: Path) -> None:
    path = make_run("run")
    config = yaml.safe_load((path / "run.yaml").read_text())
    config["recipe"] = "<script>alert('&')</script>"
    (path / "run.yaml").write_text(yaml.safe_dump(config))
    page = page_of(write_comparison([path], out=tmp_path / "out").directory)
    assert "<script>alert" not in page
    assert "<script>alert('&')</script>" in words_of(page)


@pytest.mark.usefixtures("bare_pages")
def test_compare_of_one_run_without_classes(make_run: MakeRun, tmp_path: Path) -> None:
    comparison = write_comparison([make_run("run", classes=False)], out=tmp_path / "out")
    words = words_of(page_of(comparison.directory))
    assert "One run alone: nothing is compared." in words
    assert "No run logged classes of tokens" in words
    assert "No run was measured on a downstream task." in words


@pytest.mark.slow
def test_compare_gives_the_same_bytes_again(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one, two = (
        write_comparison(write_four(Path(base) / "runs")[3:], out=Path(base) / "out")
        for base in ("a", "b")
    )
    for path in sorted(one.directory.rglob("*")):
        if path.is_file():
            other = two.directory / path.relative_to(one.directory)
            assert path.read_bytes().replace(b"a/runs", b"b/runs") == other.read_bytes(), path.name


@pytest.mark.usefixtures("bare_pages")
def test_compare_fills_an_empty_directory(make_run: MakeRun, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    assert write_comparison([make_run("run")], out=out).page == out / "index.html"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.usefixtures("bare_pages")
@pytest.mark.parametrize("kind", ["full", "file", "dangling"])
def test_compare_refuses_an_occupied_place(make_run: MakeRun, tmp_path: Path, kind: str) -> None:
    out, run = tmp_path / "out", make_run("run")
    if kind == "full":
        out.mkdir()
        (out / "mine.txt").write_text("keep")
    elif kind == "file":
        out.write_text("keep")
    else:
        out.symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=r"output (directory is not empty|is a file)") as caught:
        write_comparison([run], out=out)
    assert str(out) in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_compare_leaves_nothing_behind_bad_input(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("run")
    (run / "metrics.jsonl").write_text("")
    with pytest.raises(UserError, match="without a logged step"):
        write_comparison([run], out=tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("bare_pages")
def test_compare_leaves_nothing_half_written(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(chart: object, formats: object) -> dict[str, bytes]:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "rendered", broken)
    place = tmp_path / "reports"
    with pytest.raises(KeyboardInterrupt):
        write_comparison([make_run("run")], out=place / "out")
    assert not place.exists()
