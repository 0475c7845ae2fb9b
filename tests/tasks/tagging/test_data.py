"""Tagged sentences from files of every format; what is wrong with a file, in one line."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from places import SHARED_DATA
from tidemask.errors import UserError
from tidemask.tasks.data import TaskData
from tidemask.tasks.tagging.data import TaggingData, TaggingTaskSettings, load_tagging_data
from tidemask.tasks.tagging.sentences import TaggedSentence, to_iob2

WORDS = ("Marta", "Vale", "left", "Port", "Oleg", ".")
IOB2 = ("B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O")


def _write(path: Path, text: str) -> None:
    opener = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    with opener(path, "wt", encoding="utf-8") as file:
        file.write(text)


def _columns(tags: tuple[str, ...], sentences: int = 2) -> str:
    block = "".join(f"{word} XX {tag}\n" for word, tag in zip(WORDS, tags, strict=True))
    return "-DOCSTART- -X- O\n\n" + "\n".join([block] * sentences)


def _read(directory: Path, **settings: object) -> TaggingData:
    return load_tagging_data(
        TaskData(task="own", directory=directory),
        TaggingTaskSettings(name="own", **settings),  # type: ignore[arg-type]
    )


def _load(root: Path, ending: str, train: str, dev: str = "", **settings: object) -> TaggingData:
    _write(root / f"train{ending}", train)
    _write(root / f"dev{ending}", dev or train)
    return _read(root, **settings)


def _problem(root: Path, ending: str, train: str, dev: str = "", **settings: object) -> str:
    with pytest.raises(UserError) as caught:
        _load(root, ending, train, dev, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("ending", [".conll", ".txt.xz", ".conll.gz"])
@pytest.mark.parametrize(
    "tags",
    [
        IOB2,
        ("I-PER", "I-PER", "O", "I-LOC", "I-LOC", "O"),
        ("B-PER", "E-PER", "O", "B-LOC", "E-LOC", "O"),
        ("B-PER", "L-PER", "O", "B-LOC", "L-LOC", "O"),
    ],
    ids=["IOB2", "IOB1", "BIOES", "BILOU"],
)
def test_tagging_data_of_columns(tmp_path: Path, ending: str, tags: tuple[str, ...]) -> None:
    data = _load(tmp_path, ending, _columns(tags))
    assert data.tags == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert [(s.words, s.tags) for s in data.splits["train"]] == [(WORDS, IOB2)] * 2
    assert data.splits["dev"][1].place.endswith(f"dev{ending}, line 10")


def test_tagging_data_of_another_column_and_a_word_with_a_no_break_space(tmp_path: Path) -> None:
    text = "two\u00a0words\tNUM\tx\nfall\tVERB\ty\n"
    data = _load(tmp_path, ".tsv", text, kind="words", column=1)
    assert data.splits["train"][0].words == ("two\u00a0words", "fall")
    assert data.tags == ("NUM", "VERB")


def test_tagging_data_of_a_treebank_has_its_syntactic_words(tmp_path: Path) -> None:
    rest = "_\t" * 5 + "SpaceAfter=No"
    text = (
        "# text = I don't.\n"
        f"1\tI\t_\tPRON\tPRP\t{'_	' * 4}_\n"
        f"2-3\tdon't\t_\t_\t{rest}\n"
        f"2\tdo\t_\tAUX\tVBP\t{'_	' * 4}_\n"
        f"3\tn't\t_\tPART\tRB\t{'_	' * 4}_\n"
        f"3.1\tgo\t_\tVERB\tVB\t{'_	' * 4}_\n\n"
    )
    _write(tmp_path / "xx_own-ud-train.conllu.xz", text)
    _write(tmp_path / "xx_own-ud-dev.conllu", text)
    _write(tmp_path / "xx_other-ud-train.conllu", text)
    data = _read(tmp_path / "xx_own-ud", kind="words")
    assert data.splits["dev"][0].words == ("I", "do", "n't")
    assert data.splits["dev"][0].tags == ("PRON", "AUX", "PART")
    fine = _read(tmp_path / "xx_own-ud", kind="words", column=4)
    assert fine.splits["train"][0].tags == ("PRP", "VBP", "RB")
    with pytest.raises(UserError, match=r"several files of the split train.*xx_other-ud"):
        _read(tmp_path)


def test_tagging_data_of_records_with_strings_or_numbers(tmp_path: Path) -> None:
    strings = json.dumps({"tokens": WORDS, "ner_tags": IOB2}) + "\n\n"
    names = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    numbers = json.dumps({"words": WORDS, "mine": [names.index(tag) for tag in IOB2]})
    for folder in ("strings", "numbers"):
        (tmp_path / folder).mkdir()
    by_name = _load(tmp_path / "strings", ".jsonl", strings)
    by_number = _load(tmp_path / "numbers", ".jsonl.xz", numbers, tag_field="mine", tags=names)
    assert by_name.tags == by_number.tags
    assert by_name.fingerprint() == by_number.fingerprint()


def test_tagging_data_of_a_saved_dataset(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    features = datasets.Features(
        tokens=datasets.List(datasets.Value("string")),
        ner_tags=datasets.List(datasets.ClassLabel(names=names)),
    )
    rows = {"tokens": [list(WORDS)], "ner_tags": [[names.index(tag) for tag in IOB2]]}
    split = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict(train=split, validation=split, test=split).save_to_disk(tmp_path)
    other_order = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    for stated in ({}, {"tags": other_order}):
        data = _read(tmp_path, **stated)
        assert {name: [(s.words, s.tags) for s in rows] for name, rows in data.splits.items()} == {
            name: [(WORDS, IOB2)] for name in ("train", "dev", "test")
        }
        assert data.tags == other_order


def test_tagging_data_refuses_lines_that_do_not_fit(tmp_path: Path) -> None:
    good = _columns(IOB2)
    assert "too few columns: 1 in" in (message := _problem(tmp_path, ".txt", good, "lone\n"))
    assert "dev.txt, line 1." in message
    message = _problem(tmp_path, ".txt", good, good + "more columns than O\n")
    assert "columns that do not fit: 4" in message
    assert "line 16" in message
    assert "too few columns" in _problem(tmp_path, ".txt", good, column=5)
    message = _problem(tmp_path, ".txt", good, good.replace("B-LOC", "B-CITY"))
    assert "unknown tag: 'B-CITY' of word 4, 'Port'" in message
    assert "dev.txt, line 3. Expected one of the tags of train: O, B-LOC" in message
    assert "unknown entity tag: 'Q-LOC'" in _problem(
        tmp_path, ".txt", good.replace("B-LOC", "Q-LOC")
    )
    assert "of the task: O, B-X, I-X" in _problem(tmp_path, ".txt", good, tags=("O", "B-X"))
    assert "empty split: dev" in _problem(tmp_path, ".txt", good, "\n\n")


def test_tagging_data_refuses_records_that_do_not_fit(tmp_path: Path) -> None:
    def problem(**record: object) -> str:
        return _problem(tmp_path, ".jsonl", json.dumps(record))

    assert "2 words and 1 tags" in problem(tokens=["a", "b"], tags=["O"])
    assert "train.jsonl, line 1" in problem(tokens=["a", "b"], tags=["O"])
    assert "field missing: " in problem(text="a", tags=["O"])
    assert "not a list: tags='O'" in problem(tokens=["a"], tags="O")
    assert "a word that is not a string: 3" in problem(tokens=[3], tags=["O"])
    assert "unknown tag: 2 in" in problem(tokens=["a"], tags=[2])
    assert "damaged example: " in _problem(tmp_path, ".jsonl", "{")
    assert "Expected one JSON object per line" in _problem(tmp_path, ".jsonl", "[]")
    (tmp_path / "train.jsonl").unlink()
    (tmp_path / "dev.jsonl").unlink()
    assert "not a line of CoNLL-U: 3 columns" in _problem(tmp_path, ".conllu", "1\ta\tDET\n")


def test_tagging_data_refuses_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file of the split train"):
        _read(tmp_path / "absent")
    (tmp_path / "train.conll").write_bytes(b"caf\xe9 O\n")
    with pytest.raises(UserError, match="a file instead of a directory"):
        _read(tmp_path / "train.conll")
    with pytest.raises(UserError, match="undecodable text: "):
        _read(tmp_path)
    (tmp_path / "train.conll").rename(tmp_path / "train.conll.xz")
    with pytest.raises(UserError, match="damaged file: "):
        _read(tmp_path)
    _write(tmp_path / "train.conll.xz", _columns(IOB2))
    with pytest.raises(UserError, match="no split dev"):
        _read(tmp_path)


NUMBERED = "1 Anna NNP B-PER\n2 left VBD O\n\n1 Bob NNP B-PER\n2 stays VBZ O\n"


@pytest.mark.parametrize(
    "text",
    [
        NUMBERED,
        NUMBERED.replace("2 ", "1 ").replace("1 ", "0 ", 1).replace("\n1 Bob", "\n0 Bob"),
        NUMBERED.replace("1 Bob", "3 Bob").replace("2 stays", "4 stays"),
        NUMBERED.replace(" ", "\t").replace("1\tAnna", "# id = a\n1-2\tAnnal\t_\t_\n1\tAnna"),
    ],
    ids=["from 1", "from 0", "through the file", "with a line of two words"],
)
def test_tagging_data_of_numbered_words_has_the_words(tmp_path: Path, text: str) -> None:
    data = _load(tmp_path, ".conll", text, "-DOCSTART- -X- O O\n\n" + text)
    for split in ("train", "dev"):
        assert [s.words for s in data.splits[split]] == [("Anna", "left"), ("Bob", "stays")]
        assert data.splits[split][0].tags == ("B-PER", "O")


def test_tagging_data_of_numbers_that_may_be_words_is_refused(tmp_path: Path) -> None:
    message = _problem(tmp_path, ".conll", NUMBERED, NUMBERED + "\nEva B NNP B-PER\n")
    assert "words or their numbers: the first column counts the words of 4 of 5" in message
    assert "dev.conll, line 7, which begins with 'Eva'" in message
    message = _problem(tmp_path, ".conll", "1 O\n2 B-PER\n")
    assert "no words: the first column counts them from" in message
    assert "train.conll, line 1 on" in message
    numbers = "1 NUM O\n7 NUM B-X\n\n3 NUM O\n"
    assert _load(tmp_path, ".conll", numbers).splits["train"][0].words == ("1", "7")


def test_tagging_data_of_a_chosen_column_of_words(tmp_path: Path) -> None:
    kept = _load(tmp_path, ".conll", NUMBERED, word_column=0)
    assert kept.splits["train"][1].words == ("1", "2")
    kept = _load(tmp_path, ".conll", NUMBERED, word_column=-2)
    assert kept.splits["train"][1].words == ("NNP", "VBZ")
    message = _problem(tmp_path, ".conll", NUMBERED, word_column=3)
    assert "no column for the word: word_column=3, the tag is in column 3 of 4: " in message
    assert "train.conll, line 1" in message
    assert "no column for the word" in _problem(tmp_path, ".conll", NUMBERED, word_column=9)


COMMENTED = "# id 5239d808 domain=en\nthe _ _ O\nrhine _ _ B-LOC\n"


def test_tagging_data_passes_over_comments_and_keeps_the_word_that_looks_like_one(
    tmp_path: Path,
) -> None:
    text = (
        COMMENTED
        + "\n# id 7 of=many words\tdomain=en\n# _ _ B-LOC\nis _ _ O\n# _ _ O\n#tag _ _ O\n"
        + "\n#begin document (a/b); part 000\nyes _ _ O\n#end document\n\n# alone in its block\n"
    )
    data = _load(tmp_path, ".conll", text)
    assert [s.words for s in data.splits["train"]] == [
        ("the", "rhine"),
        ("#", "is", "#", "#tag"),
        ("yes",),
    ]
    assert data.splits["train"][1].tags == ("B-LOC", "O", "O", "O")
    assert data.splits["train"][0].place.endswith("train.conll, line 2")


def test_tagging_data_of_plain_tags_refuses_what_may_be_a_comment(tmp_path: Path) -> None:
    words = "# SYM\none NUM\n# SYM\n\na SYM\n"
    data = _load(tmp_path, ".conll", words, kind="words")
    assert data.splits["train"][0].words == ("#", "one", "#")
    message = _problem(tmp_path, ".conll", words, "# text\none NUM\n", kind="words")
    assert "a comment or the word '#': " in message
    assert "dev.conll, line 1: '# text'" in message


@pytest.mark.parametrize("ending", [".tsv", ".conllu", ".jsonl"])
def test_tagging_data_refuses_empty_words_and_tags_by_their_place(
    tmp_path: Path, ending: str
) -> None:
    def text(word: str, tag: str) -> str:
        rows = [("Anna", "NOUN"), (word, tag)]
        if ending == ".jsonl":
            return json.dumps({"tokens": [w for w, _ in rows], "tags": [t for _, t in rows]})
        if ending == ".tsv":
            return "".join(f"{w}\t{t}\n" for w, t in rows)
        rest = "\t_" * 6
        return "".join(f"{n}\t{w}\t_\t{t}{rest}\n" for n, (w, t) in enumerate(rows, start=1))

    place = "line 1, word 2" if ending == ".jsonl" else "line 2"
    message = _problem(tmp_path, ending, text("", "VERB"), kind="words")
    assert f"empty word: {tmp_path}/train{ending}, {place}, tag 'VERB'" in message
    message = _problem(tmp_path, ending, text("left", ""), kind="words")
    assert f"empty tag: {tmp_path}/train{ending}, {place}, word 'left'" in message


def test_tagging_data_of_tags_without_a_type_is_of_one_unnamed_type(tmp_path: Path) -> None:
    text = "missense O\nataxia B\n- I\nx I\n\ncolon I\ncancer I\nx B\n"
    data = _load(tmp_path, ".conll", text)
    assert data.tags == ("O", "B", "I")
    assert [s.tags for s in data.splits["train"]] == [("O", "B", "I", "I"), ("B", "I", "B")]
    both = _load(tmp_path, ".conll", text + "\nOslo S-LOC\n")
    assert both.tags == ("O", "B", "I", "B-LOC", "I-LOC")
    assert "unknown entity tag: 'B-'" in _problem(tmp_path, ".conll", "a B-\nb O\n")


@given(st.lists(st.sampled_from(["O", "A1", "A2", "B1"]), min_size=1, max_size=12))
def test_tagging_data_schemes_say_the_same(runs: list[str]) -> None:
    """Entities written in each scheme become one IOB2. A number tells neighbours apart."""
    written: dict[str, list[str]] = {"IOB1": [], "IOB2": [], "BIOES": [], "BILOU": []}
    for place, run in enumerate(runs):
        if run == "O":
            for tags in written.values():
                tags.append("O")
            continue
        kind, length = run[0], int(run[1])
        touches = place > 0 and runs[place - 1][0] == kind
        written["IOB1"] += [("B-" if touches else "I-") + kind] + [f"I-{kind}"] * (length - 1)
        written["IOB2"] += [f"B-{kind}"] + [f"I-{kind}"] * (length - 1)
        written["BIOES"] += [f"S-{kind}"] if length == 1 else [f"B-{kind}", f"E-{kind}"]
        written["BILOU"] += [f"U-{kind}"] if length == 1 else [f"B-{kind}", f"L-{kind}"]
    for tags in written.values():
        sentence = TaggedSentence(("w",) * len(tags), tuple(tags), "here")
        assert list(to_iob2(sentence).tags) == written["IOB2"]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="no shared data")
def test_tagging_data_of_conll2003_has_the_published_entities() -> None:
    data = _read(SHARED_DATA / "eval/conll2003")
    counts = {
        split: {
            kind: sum(tag == f"B-{kind}" for sentence in rows for tag in sentence.tags)
            for kind in ("LOC", "MISC", "ORG", "PER")
        }
        for split, rows in data.splits.items()
    }
    # Tjong Kim Sang and De Meulder (2003), table 2.
    assert counts["train"] == {"LOC": 7140, "MISC": 3438, "ORG": 6321, "PER": 6600}
    assert counts["dev"] == {"LOC": 1837, "MISC": 922, "ORG": 1341, "PER": 1842}
    assert counts["test"] == {"LOC": 1668, "MISC": 702, "ORG": 1661, "PER": 1617}
