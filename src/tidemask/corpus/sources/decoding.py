r"""The characters and lines of a text file, decompressed and decoded, and errors for other files.

Only one chunk of a file and one line are held at a time. A byte-order mark is dropped, and nothing
else of a line is changed.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.paths import check_plain_file
from tidemask.reading.compression import chunks

MAX_RECORD_CHARACTERS = 1 << 24
"""Characters above which a line of a task's file is refused: 16,777,216."""

REPLACEMENT = "\ufffd"
"""What stands for bytes that could not be decoded."""

_MARK = "\udc80"
"""The same before they are counted: a lone surrogate, which no decoder gives."""

_MARKING = "tidemask.marking"
"""Name of the error handler that marks each byte which cannot be decoded."""

_CONVERT = "Convert the file, or leave it out."
_LET_REPLACE = "let such bytes become U+FFFD and be counted (--errors replace)."
LEAVE_OR_REPLACE = f"Leave it out, or {_LET_REPLACE}"
"""What to do with a text that has NUL."""

_ENCODING_OF_MARK = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""Encodings by the bytes that a text in them begins with; the longer ones begin with a shorter."""

_SHOWN_BYTES = 12
"""Bytes shown on each side of one that cannot be decoded."""


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _MARK * (error.end - error.start), error.end


codecs.register_error(_MARKING, _marked)


@dataclass(frozen=True)
class Decoding:
    r"""How the bytes of text files become characters.

    Attributes:
        encoding: name of one of Python's text encodings.
        replace: whether what cannot be decoded, and NUL, becomes U+FFFD; else it is refused.
        on_replaced: called with the number of bytes replaced, when there are any.
        any_line_end: whether a lone carriage return ends a line, as `\n` and `\r\n` do.
        has_options: whether a message may name `--encoding` and `--errors`.
    """

    encoding: str = "utf-8"
    replace: bool = False
    on_replaced: Callable[[int], None] = lambda number: None
    any_line_end: bool = False
    has_options: bool = False


UTF_8 = Decoding()
"""That of files which have no options."""


def read_records(
    path: Path, *, max_characters: int = MAX_RECORD_CHARACTERS, decoding: Decoding = UTF_8
) -> Iterator[str]:
    r"""Stream the lines of a file, decompressed by its ending, without their ends.

    Args:
        path: the file.
        max_characters: characters of a line at most, so that memory is bounded.
        decoding: of its bytes; UTF-8 whose lines end in `\n` or `\r\n` if left out.

    Raises:
        UserError: the file is binary or cannot be decoded (with the byte offset within the
            decompressed text), its compressed data is damaged or truncated, or it cannot be read;
            or a line is longer.
    """
    parts: list[str] = []
    num_held, number = 0, 1
    for characters in decoded(path, decoding):
        first, *others = characters.split("\n")
        parts.append(first)
        num_held += len(first)
        _check_length(parts, num_held, path, number, max_characters)
        for line in others:
            yield "".join(parts).removesuffix("\r")
            parts, num_held = [line], len(line)
            number += 1
            _check_length(parts, num_held, path, number, max_characters)
    yield "".join(parts).removesuffix("\r")


def _check_length(
    parts: list[str], num_characters: int, path: Path, number: int, max_characters: int
) -> None:
    if num_characters > max_characters:
        begin = "".join(parts)[:40]
        raise UserError(
            f"line too long: {path}, line {number} has more than {max_characters:,} "
            f"characters and begins with {begin!r}. Expected shorter lines, each a text or a "
            "record of its own. Break the line, or leave it out."
        )


def decoded(path: Path, decoding: Decoding = UTF_8) -> Iterator[str]:
    """The characters of a file, chunk by chunk, without its byte-order mark.

    Raises:
        UserError: as `read_records`.
    """
    errors = _MARKING if decoding.replace else "strict"
    decoder = codecs.getincrementaldecoder(decoding.encoding)(errors)
    check_plain_file(path)
    line_ends = io.IncrementalNewlineDecoder(None, translate=True)
    num_bytes, is_first = 0, True
    for chunk, is_last in _with_last(chunks(path)):
        num_bytes += len(chunk)
        try:
            characters = decoder.decode(chunk, is_last)
        except UnicodeDecodeError as error:
            raise _undecodable(error, path, num_bytes, decoding) from error
        except UnicodeError as error:  # UTF-16 without its byte-order mark, for one
            raise UserError(
                f"undecodable text: {path}: {error}. Expected {decoding.encoding}. "
                f"{_what_to_do(decoding)}"
            ) from error
        if "\0" in characters or _MARK in characters:
            characters = _without_nul(characters, chunk, path, num_bytes, decoding)
        if is_first and characters:
            characters, is_first = characters.removeprefix("\ufeff"), False
        if decoding.any_line_end:
            characters = line_ends.decode(characters, is_last)
        yield characters


def _with_last(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The pieces and, at the end, an empty one that is the last."""
    for piece in pieces:
        yield piece, False
    yield b"", True


def _undecodable(
    error: UnicodeDecodeError, path: Path, num_bytes: int, decoding: Decoding
) -> UserError:
    """The error of bytes that cannot be decoded; `error.object` ends at byte `num_bytes`."""
    offset = num_bytes - len(error.object) + error.start
    around = error.object[max(0, error.start - _SHOWN_BYTES) : error.start + _SHOWN_BYTES]
    name = "UTF-8" if decoding.encoding.lower() in ("utf-8", "utf8") else decoding.encoding
    return UserError(
        f"undecodable text: {path}, byte offset {offset}: 0x{error.object[error.start]:02x} "
        f"({error.reason}). Expected {name} text. {_what_to_do(decoding, around)}"
    )


def _what_to_do(decoding: Decoding, around: bytes = b"") -> str:
    if not decoding.has_options:
        return _CONVERT
    other = next(
        (name for mark, name in _ENCODING_OF_MARK.items() if around.startswith(mark)), "cp1252"
    )
    width = 4 if other == "utf-32" else 2
    shown = around[: len(around) // width * width].decode(other, "replace")
    example = f", as --encoding {other}, which would read {shown!r} here" if around else ""
    return f"Name the encoding of the file (--encoding){example}, or {_LET_REPLACE}"


def _without_nul(
    characters: str, chunk: bytes, path: Path, num_bytes: int, decoding: Decoding
) -> str:
    """The characters with U+FFFD for NUL and for what was marked, which are counted."""
    if not decoding.replace:
        before = num_bytes - len(chunk)
        zero = chunk.find(0)
        where = f", byte offset {before + zero}" if decoding.encoding == "utf-8" else ""
        what_to_do = LEAVE_OR_REPLACE if decoding.has_options else _CONVERT
        if decoding.has_options and (other := _without_mark(chunk)):
            what_to_do = f"It may be text in another encoding (--encoding {other}). {what_to_do}"
        raise UserError(
            f"binary file: {path}{where}: 0x00. Expected text without NUL. {what_to_do}"
        )
    decoding.on_replaced(characters.count("\0") + characters.count(_MARK))
    return characters.replace("\0", REPLACEMENT).replace(_MARK, REPLACEMENT)


def _without_mark(chunk: bytes) -> str | None:
    """The UTF-16 that bytes without a mark may be: most of every second one is 0, no other is."""
    even, odd = chunk[0::2], chunk[1::2]
    if len(odd) < _SHOWN_BYTES // 2:
        return None
    if odd.count(0) > len(odd) / 2 and not even.count(0):
        return "utf-16-le"
    if even.count(0) > len(even) / 2 and not odd.count(0):
        return "utf-16-be"
    return None
