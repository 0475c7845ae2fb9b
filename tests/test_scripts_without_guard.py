"""Python as a script, without a guard, as the README has it: its workers do not run it again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prose import text
from tidemask import annotate, prepare
from tidemask.corpus.store.columns import open_column
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.tokenizing.loading import load_tokenizer


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text, and the corpus `one` of it, made by one process, with a column of it."""
    root = tmp_path_factory.mktemp("scripts")
    (root / "text.txt").write_text(text(300), encoding="utf-8")
    (root / "list.txt").write_text("river\nbridge\n", encoding="utf-8")
    prepare(root / "text.txt", out=root / "one", vocab_size=200, workers=1, progress=False)
    wanted = f"list:{root / 'list.txt'}"
    annotate(root / "one", column="wanted", source=wanted, workers=1, progress=False)
    return root


def run(script: str, directory: Path) -> str:
    """Run a script, which has to print one line; returns it."""
    path = directory / "script.py"
    path.write_text("import tidemask\n" + script)
    done = subprocess.run(
        [sys.executable, path], cwd=directory, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert "tidemask:" not in done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_prepare_and_annotate_in_a_script_without_a_guard_need_none(directory: Path) -> None:
    """Of neither do workers import the script, and so prepare or annotate again.

    Nor where the tokenizer knows its name, as one for code does.
    """
    tokenizer = load_tokenizer(directory / "one" / "tokenizer").tokenizer
    tokenizer.add_tokens(["__main__"])
    tokenizer.save_pretrained(directory / "of code")
    found = run(
        "made = tidemask.prepare('text.txt', out='code', tokenizer='of code', workers=2)\n"
        "print('__main__' in (made.root / 'tokenizer/tokenizer.json').read_text())\n",
        directory,
    )
    assert found == "True"
    run(
        "corpus = tidemask.prepare('text.txt', out='out', vocab_size=200, workers=2)\n"
        "print(corpus.manifest.train.num_documents)\n",
        directory,
    )
    run(
        "made = tidemask.annotate('out', column='wanted', source='list:list.txt', workers=2)\n"
        "print(made.manifest.num_tokens['train'])\n",
        directory,
    )
    one, other = (open_corpus(directory / name) for name in ("one", "out"))
    assert one.manifest.fingerprint == other.manifest.fingerprint
    of_one, of_other = (open_column(corpus, "wanted").manifest for corpus in (one, other))
    assert of_one.fingerprint == of_other.fingerprint


@pytest.mark.slow
def test_a_function_of_the_script_itself_is_found_by_workers(directory: Path) -> None:
    """They import the script then, whose guard keeps them from running it again."""
    run(
        "import re\n"
        "def capitals(text):\n"
        "    return [(found.start(), found.end(), 'C') for found in re.finditer('[A-Z]', text)]\n"
        "capitals.class_names = ['C']\n"
        "if __name__ == '__main__':\n"
        "    made = tidemask.annotate('one', column='capitals', workers=2,\n"
        "                             source='python:__main__:capitals')\n"
        "    print(made.manifest.num_tokens['train'])\n",
        directory,
    )
    assert open_column(open_corpus(directory / "one"), "capitals").manifest.class_names == ("C",)
