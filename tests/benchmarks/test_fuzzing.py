"""Damaged files and hostile names: no command ends in a traceback, a hang or a wrong result."""

from __future__ import annotations

import os
import pkgutil
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.fuzzing import mutations, surroundings
from benchmarks.fuzzing.readers import SLOW
from child_processes import HUNG_SECONDS
from places import ROOT

CONTENT = '{"a": {"b": [1, 2.5, "three"]}, "c": null}\n'


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_fuzzing_finds_no_fault() -> None:
    """One mutation of every sixth file; `benchmarks/fuzzing/fuzz.py` tries more and others."""
    options = ("--mutations=1", "--every=6", "--seed=1")
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/fuzzing/fuzz.py"), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("faults: 0\n")


def test_fuzzing_leaves_out_functions_that_are_there() -> None:
    for replaced in SLOW.values():
        assert all(callable(pkgutil.resolve_name(name)) for name in replaced)


@pytest.mark.parametrize("mutate", [*mutations.BYTES, *mutations.LINES, mutations.json_value])
def test_fuzzing_mutations_are_made_again_by_their_seed(
    mutate: mutations.Mutation, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    made = []
    for seed in (*range(20), *range(20)):
        path.write_text(CONTENT)
        mutate(path, random.Random(seed))
        made.append(path.read_bytes())
    assert made[:20] == made[20:]
    assert len(set(made)) > 5


@pytest.mark.slow
def test_fuzzing_changes_values_of_a_database_by_their_seed(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    sound = "CREATE TABLE trials (number INTEGER PRIMARY KEY, state TEXT);"
    empty = "CREATE TABLE none (one INTEGER);"
    rows = "".join(f"INSERT INTO trials VALUES ({n}, 'WAITING');" for n in range(5))
    made = []
    for seed in (*range(20), *range(20)):
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as database:
            database.executescript(sound + empty + rows)
            before = [*database.iterdump()]
        mutations.database_value(path, random.Random(seed))
        with closing(sqlite3.connect(path)) as database:
            after = [*database.iterdump()]
        assert len(set(before) - set(after)) <= 1
        made.append(after)
    assert made[:20] == made[20:]
    assert len({"".join(one) for one in made}) > 10, "what is refused is drawn again"


def test_fuzzing_takes_json_that_says_the_same_for_the_same_upload(tmp_path: Path) -> None:
    place = tmp_path / "hub" / "tokenizer.json"
    place.parent.mkdir()
    found = []
    for content in ('{"a": 1, "b": 2}', '{ "a":1,\n"b":2}\n', '{"a": true, "b": 2}', '{"a": 1', ""):
        place.write_text(content)
        found.append(surroundings.pushed(tmp_path, ""))
    assert found[0] == found[1]
    assert all(found.count(one) == 1 for one in found[2:])


@pytest.mark.parametrize("mutate", mutations.PLACES)
def test_fuzzing_places_are_no_longer_files_with_the_content(
    mutate: mutations.Mutation, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    path.write_text(CONTENT)
    mutate(path, random.Random(0))
    assert path.is_symlink() or not path.is_file()
