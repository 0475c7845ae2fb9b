"""The guide on words and tags: its commands run on its own files, and its numbers hold."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from places import ROOT
from tidemask.corpus.store import rows_unmasked
from tidemask.corpus.store.corpus import open_corpus
from tidemask.corpus.tagging import english_check
from tidemask.corpus.words.boundaries import WordRule

Command = Callable[..., tuple[int, str, str]]
TEXT = (ROOT / "docs/guides/words-and-tags.md").read_text(encoding="utf-8")
QUICK = ["--held-out", "0", "--workers", "1", "--sequence-length", "32", "--vocab-size", "90"]


@pytest.mark.slow
def test_guide_of_words_and_tags_commands_run(
    tidemask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for script in re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL):
        exec(compile(script, "words-and-tags.md", "exec"), {})
    words = {}
    for line in "".join(re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)).splitlines():
        arguments = shlex.split(line)[1:]
        status, _, err = tidemask(*arguments, *QUICK)
        assert status == 0, err
        manifest = open_corpus(arguments[arguments.index("--out") + 1]).manifest
        words[arguments[arguments.index("--out") + 1]] = (
            manifest.words,
            manifest.train.num_words,
        )
    # Tokens that are trained on so little join `don` and what follows.
    assert words == {
        "tagged": ("tagger", 8),
        "unicode": ("unicode", 5),
        "spaced": ("whitespace", 6),
        "checked": ("tagger", 8),
        "gold": ("tagger", 4),
        "entities": ("tagger", 4),
    }


def test_guide_of_words_and_tags_names_every_rule_and_number() -> None:
    for rule in get_args(WordRule):
        assert f"| `{rule}`" in TEXT
    assert f"{rows_unmasked.MIN_SHARE:.0%}".replace("%", " %") in TEXT
    assert f"up\nto {english_check._SAMPLED_DOCUMENTS} documents" in TEXT
    assert f"is below {english_check.MIN_SCORE}" in TEXT
    assert f"fewer than {english_check.MIN_WORDS} others" in TEXT
    assert f"{english_check.NOTED_SHARE:.0%}".replace("%", " %") in TEXT
    assert f"{rows_unmasked.RATIO:.0%}".replace("%", " %") in TEXT
