"""Mutations of a file: of its bytes, of the values in it, and of what stands at its path.

Each takes a random generator and damages one file in place. Those of values keep the format, so
that what is wrong reaches the code behind the parser: a string for a number, null, a key twice.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import yaml

Mutation = Callable[[Path, random.Random], None]
"""Damages the file at a path; the generator decides where and how."""

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, 0.5, -0.5, 1e9, float("nan"), float("inf"), "",
    "x", "12", "1e3", "[red]x[/red]", "[/]", "../../etc", "\0", "\ud800", "é" * 300, [], {}, [1],
    [None], {"a": 1}, [[[]]],
)  # fmt: skip
"""What takes the place of a value."""

_LINES = (
    b"", b"\t", b"\t\t\t", b"\xff\xfe", b"{", b"[]", b"null", b"{}", b"- [", b"a: b: c",
    b"0" * 5000, b"x" * 70000, b"\xed\xa0\x80", b"&a [*a]", b"\x00", b"[/bold]",
)  # fmt: skip
"""What takes the place of a line."""


def _flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.choice((0, 1, len(content) - 1, rng.randrange(len(content))))]


def _beheaded(content: bytes, rng: random.Random) -> bytes:
    return content[rng.choice((1, rng.randrange(len(content)))) :]


def _overwritten(content: bytes, rng: random.Random) -> bytes:
    """A block of zeros or of noise, as a lost sector leaves it."""
    begin = rng.randrange(len(content))
    length = min(rng.choice((1, 64, 4096)), len(content) - begin)
    block = rng.choice((bytes(length), rng.randbytes(length)))
    return content[:begin] + block + content[begin + length :]


def _inserted(content: bytes, rng: random.Random) -> bytes:
    place = rng.choice((0, len(content), rng.randrange(len(content))))
    piece = rng.choice(
        (b"\xef\xbb\xbf", b"\xff", b"\x00", b"\n", b'"', b"}", b"\r\n", content[:512])
    )
    return content[:place] + piece + content[place:]


def _line_changed(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    number = rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            lines[number] = rng.choice(_LINES)
        case 1:
            lines.insert(number, lines[rng.randrange(len(lines))])
        case 2:
            del lines[number]
        case _:
            lines[number] = lines[number][: rng.randrange(len(lines[number]) + 1)]
    return b"\n".join(lines)


def _of_bytes(change: Callable[[bytes, random.Random], bytes]) -> Mutation:
    def mutate(path: Path, rng: random.Random) -> None:
        path.write_bytes(change(path.read_bytes() or b"\n", rng))

    mutate.__name__ = change.__name__.strip("_")
    return mutate


def _places(value: Any, holder: Any = None, key: Any = None) -> Iterator[tuple[Any, Any]]:
    """Holder and key of every value in a tree."""
    if holder is not None:
        yield holder, key
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for inner in keys:
        yield from _places(value[inner], value, inner)


def _change_tree(tree: Any, rng: random.Random) -> Any:
    """Change one value or one key of a tree; a root that holds nothing becomes another value."""
    places = list(_places(tree))
    if not places or rng.random() < 0.03:
        return rng.choice(_VALUES)
    holder, key = rng.choice(places)
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("unknown", "", "[x]", str(key).upper()))] = holder.pop(key)
        case 2 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
            number = holder[key]
            holder[key] = rng.choice((str(number), -number, number * 10**6, [number]))
        case _:
            holder[key] = rng.choice(_VALUES)
    return tree


def _twice(text: str, rng: random.Random) -> str:
    """A line of an indented mapping twice, so that its key is there twice."""
    lines = text.splitlines(keepends=True)
    number = rng.randrange(len(lines))
    return "".join([*lines[:number], lines[number], *lines[number:]])


def json_value(path: Path, rng: random.Random) -> None:
    """Change a value of a JSON file, or let a line of it stand twice."""
    text = path.read_text(encoding="utf-8")
    if rng.random() < 0.1:
        path.write_text(_twice(json.dumps(json.loads(text), indent=1), rng), encoding="utf-8")
        return
    path.write_text(json.dumps(_change_tree(json.loads(text), rng)), encoding="utf-8")


def json_lines_value(path: Path, rng: random.Random) -> None:
    """Change a value of one line of a file of JSON Lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    number = rng.randrange(len(lines))
    lines[number] = json.dumps(_change_tree(json.loads(lines[number]), rng))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def yaml_value(path: Path, rng: random.Random) -> None:
    """Change a value of a YAML file, or let a line of it stand twice."""
    text = path.read_text(encoding="utf-8")
    if rng.random() < 0.2:
        path.write_text(_twice(text, rng), encoding="utf-8")
        return
    changed = _change_tree(yaml.safe_load(text), rng)
    path.write_text(yaml.safe_dump(changed, allow_unicode=False), encoding="utf-8")


def column_changed(path: Path, rng: random.Random) -> None:
    """Drop, double or change a column of one line of a table."""
    lines = path.read_text(encoding="utf-8").split("\n")
    number = rng.randrange(len(lines))
    cells = lines[number].split("\t")
    place = rng.randrange(len(cells))
    cells[place : place + 1] = rng.choice(
        ([], [cells[place]] * 2, [""], ["\u200b"], ['"'], ["[red]"])
    )
    lines[number] = "\t".join(cells)
    path.write_text("\n".join(lines), encoding="utf-8")


def database_value(path: Path, rng: random.Random) -> None:
    """Change a value of one row of a database of SQLite, or delete the row.

    What the database itself refuses, such as text for a primary key, is drawn again.
    """
    with closing(sqlite3.connect(path)) as database:
        is_changed = False
        while not is_changed:
            with suppress(sqlite3.IntegrityError), database:
                is_changed = _change_row(database, rng)


def _change_row(database: sqlite3.Connection, rng: random.Random) -> bool:
    """Draw a row and what becomes of it; whether the database takes that."""
    named = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    tables = [name for (name,) in database.execute(named)]
    filled = [
        (table, rows)
        for table in tables
        if (rows := [row for (row,) in database.execute(f"SELECT rowid FROM {table}")])
    ]
    table, rows = rng.choice(filled)
    row = rng.choice(rows)
    if rng.random() < 0.1:
        database.execute(f"DELETE FROM {table} WHERE rowid = ?", [row])
        return True
    columns = [column[1] for column in database.execute(f"PRAGMA table_info({table})")]
    kept = [one for one in _VALUES if one is None or type(one) in (int, float, str)]
    value = rng.choice([one for one in kept if one not in (10**400, 2**63, "\ud800")])
    done = database.execute(
        f"UPDATE OR IGNORE {table} SET {rng.choice(columns)} = ? WHERE rowid = ?", [value, row]
    )
    return done.rowcount > 0


def missing(path: Path, _rng: random.Random) -> None:
    """Remove it."""
    path.unlink()


def directory(path: Path, _rng: random.Random) -> None:
    """Put a directory in its place."""
    path.unlink()
    path.mkdir()


def fifo(path: Path, _rng: random.Random) -> None:
    """Put a pipe in its place, which nothing writes into."""
    path.unlink()
    os.mkfifo(path)


def link(path: Path, rng: random.Random) -> None:
    """Put a link in its place: to itself, to nothing, to a device or to a directory."""
    path.unlink()
    path.symlink_to(rng.choice((path.name, "nothing-there", "/dev/zero", "/dev/null", "/")))


BYTES: tuple[Mutation, ...] = tuple(
    map(_of_bytes, (_flipped, _flipped, _cut, _beheaded, _overwritten, _inserted))
)
"""For every file."""

LINES: tuple[Mutation, ...] = (_of_bytes(_line_changed),)
"""For every file of text."""

PLACES: tuple[Mutation, ...] = (missing, directory, fifo, link)
"""For every path."""

HOSTILE_NAMES = (
    b"[red]x", b"[/]", b"[bold", b"a b", b"line\nbreak", b"tab\tname", b"\xff\xfe", b"-rf",
    b"--out", b"=1+1", b"'\"", b"%s{}$HOME", b"~", b"n" * 200, b"\xe2\x80\xae", b"*", b"run:1",
    b"a,b", b"#x", b"\xed\xa0\x80", b"\x1b[31m", b"<script>", b"..x", b"checkpoint-3",
)  # fmt: skip
"""Names that a file or a directory may have on Linux."""
