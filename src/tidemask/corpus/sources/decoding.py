r"""The lines of a text file, decompressed and decoded, and errors for files that are not text.

Only one chunk of a file and one line are held at a time. A byte-order mark is dropped, `\r\n` is
read as `\n`, and a line longer than `MAX_LINE_CHARACTERS` is cut at a space, or refused far above
it where lines are records; nothing else is changed.
"""

from __future__ import annotations

import codecs
import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tidemask.errors import UserError
from tidemask.files.paths import check_plain_file
from tidemask.system_errors import why_refused

MAX_LINE_CHARACTERS = 1 << 16
"""Characters above which a line is cut, about 11,000 English words."""

MAX_RECORD_CHARACTERS = 1 << 24
"""Characters above which a line that is a record or a text of its own is refused: 16,777,216."""

_CHUNK_BYTES = 1 << 20


def read_records(path: Path, *, max_characters: int = MAX_RECORD_CHARACTERS) -> Iterator[str]:
    """Stream the lines of a UTF-8 file, as `read_lines`, none of which is cut.

    Args:
        path: the file.
        max_characters: characters of a line at most, so that memory is bounded.

    Raises:
        UserError: as for `read_lines`; or a line is longer.
    """
    rest, number = "", 1
    for characters in _decoded(path):
        *lines, rest = (rest + characters).split("\n")
        for line in lines:
            _check_length(line, path, number, max_characters)
            number += 1
            yield line.removesuffix("\r")
        _check_length(rest, path, number, max_characters)
    yield rest.removesuffix("\r")


def _check_length(line: str, path: Path, number: int, max_characters: int) -> None:
    if len(line) > max_characters:
        raise UserError(
            f"line too long: {path}, line {number} has more than {max_characters:,} "
            f"characters and begins with {line[:40]!r}. Expected shorter lines, each a text or a "
            "record of its own. Break the line, or leave it out."
        )


def read_lines(path: Path) -> Iterator[str]:
    """Stream the lines of a UTF-8 file, decompressed by its ending, without their ends.

    Raises:
        UserError: the file is binary or not UTF-8 (with the byte offset within the decompressed
            text), its compressed data is damaged or truncated, or it cannot be read.
    """
    rest = ""
    for characters in _decoded(path):
        *lines, rest = (rest + characters).split("\n")
        for line in lines:
            *pieces, last = _cut_line(line)
            yield from pieces
            yield last.removesuffix("\r")
        *pieces, rest = _cut_line(rest)
        yield from pieces
    yield rest.removesuffix("\r")


def _cut_line(line: str) -> Iterator[str]:
    """The line in pieces that are short enough, cut at spaces where it has some."""
    while len(line) > MAX_LINE_CHARACTERS:
        space = line.rfind(" ", 1, MAX_LINE_CHARACTERS)
        cut = MAX_LINE_CHARACTERS if space < 0 else space
        yield line[:cut]
        line = line[cut:] if space < 0 else line[cut + 1 :]
    yield line


def _decoded(path: Path) -> Iterator[str]:
    """The characters of a file, chunk by chunk, without its byte-order mark."""
    num_decoded_bytes, pending, is_first = 0, b"", True
    for chunk in _chunks(path):
        data = pending + chunk
        characters, num_used = _decode(path, data, num_decoded_bytes, final=False)
        yield characters.removeprefix("\ufeff") if is_first else characters
        is_first = is_first and not characters
        num_decoded_bytes += num_used
        pending = data[num_used:]
    _decode(path, pending, num_decoded_bytes, final=True)


def _decode(path: Path, data: bytes, offset: int, *, final: bool) -> tuple[str, int]:
    """Decode what is complete; `data` begins at byte `offset` of the decompressed text."""
    what_to_do = "Expected UTF-8 text. Convert the file, or leave it out."
    try:
        characters, num_used = codecs.utf_8_decode(data, "strict", final)
    except UnicodeDecodeError as error:
        raise UserError(
            f"undecodable text: {path}, byte offset {offset + error.start}: "
            f"0x{data[error.start]:02x} ({error.reason}). {what_to_do}"
        ) from error
    zero = data.find(0, 0, num_used)
    if zero >= 0:
        raise UserError(f"binary file: {path}, byte offset {offset + zero}: 0x00. {what_to_do}")
    return characters, num_used


def _chunks(path: Path) -> Iterator[bytes]:
    check_plain_file(path)
    num_bytes = 0
    try:
        with _open(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
                num_bytes += len(chunk)
    except EOFError as error:
        raise UserError(
            f"truncated file: {path} breaks off at its end, byte {path.stat().st_size:,}. "
            "Expected the end of the compressed data. Copy or download it again."
        ) from error
    except (zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise UserError(
            f"damaged file: {path}, in the text from byte {num_bytes:,} on: {error}. "
            "Expected undamaged compressed data. Copy or download it again."
        ) from error
    except OSError as error:
        raise UserError(f"cannot read: {why_refused(error, path)}.") from error


def _open(path: Path) -> IO[bytes] | gzip.GzipFile | lzma.LZMAFile:
    name = path.name.lower()
    if name.endswith(".gz"):
        return gzip.open(path, "rb")
    if name.endswith(".xz"):
        return lzma.open(path, "rb")
    return path.open("rb")
