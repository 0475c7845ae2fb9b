"""The bytes of a file, decompressed by the ending of its name, and errors for damaged files.

All text that a user names is opened here, so that it may be compressed in the same ways everywhere.

Only one chunk is held at a time. gzip, xz and bzip2 are those of Python, Zstandard is Arrow's.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from tidemask.errors import UserError, one_line
from tidemask.system_errors import why_refused

COMPRESSED: tuple[str, ...] = (".xz", ".gz", ".bz2", ".zst")
"""What the names of compressed files end in."""

_CHUNK_BYTES = 1 << 20

_DECOMPRESSORS: dict[str, Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]] = {
    ".xz": lzma.LZMADecompressor,
    ".bz2": bz2.BZ2Decompressor,
}
"""What decompresses one stream, by the ending of files that may have several."""

_BEGINNINGS = {
    b"\x1f\x8b\x08": ".gz",
    b"\xfd7zXZ\0": ".xz",
    b"(\xb5/\xfd": ".zst",
    b"PK\x03\x04": ".zip",
    b"7z\xbc\xaf'\x1c": ".7z",
}
"""First bytes of compressed files, none of which is text, and what their names end in. (Those of
bzip2 are text.)"""

_TRUNCATED = "Truncated compressed stream"
"""What Arrow says of data that break off."""


def without_compression(name: str) -> str:
    """A file's name without the ending of its compression, in lower case.

    Example:
        >>> without_compression("News.JSONL.zst"), without_compression("a.txt")
        ('news.jsonl', 'a.txt')
    """
    name = name.lower()
    return next((name.removesuffix(end) for end in COMPRESSED if name.endswith(end)), name)


def is_compressed(path: Path) -> bool:
    """Whether the name of a file says so."""
    return path.name.lower().endswith(COMPRESSED)


def chunks(path: Path) -> Iterator[bytes]:
    """Stream the bytes of a file, decompressed, about a million at a time.

    Raises:
        UserError: its compressed data is damaged or truncated, it is compressed and its name does
            not say so, or the system refuses to read it.
    """
    num_bytes = 0
    try:
        for chunk in _decompressed(path):
            if not num_bytes:
                check_decompressed(path, chunk)
            yield chunk
            num_bytes += len(chunk)
    except EOFError as error:
        raise _truncated(path) from error
    except (zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise _damaged(path, num_bytes, error) from error
    except OSError as error:
        if error.errno is not None:
            raise UserError(f"cannot read: {why_refused(error, path)}.") from error
        if _TRUNCATED in str(error):  # those without a number are of bzip2 and Arrow
            raise _truncated(path) from error
        raise _damaged(path, num_bytes, error) from error


def check_decompressed(path: Path, chunk: bytes) -> None:
    """Refuse what is compressed, though the name of its file does not say so.

    Args:
        path: the file, for the message.
        chunk: its first bytes, decompressed by its ending; all, if there are few.

    Raises:
        UserError: as said.
    """
    for beginning, ending in _BEGINNINGS.items():
        if chunk.startswith(beginning):
            advice = "Rename it, or decompress it" if ending in COMPRESSED else "Decompress it"
            raise UserError(
                f"compressed file: the text of {path} begins as that of a file ending in {ending} "
                f"does. Expected text, plain or in a file that ends in one of "
                f"{', '.join(COMPRESSED)}. {advice}."
            )


def _decompressed(path: Path) -> Iterator[bytes]:
    decompressor = next(
        (new for end, new in _DECOMPRESSORS.items() if path.name.lower().endswith(end)), None
    )
    with _open(path) as file:
        if decompressor is not None:
            yield from _streams(file, decompressor)
            return
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
    if is_compressed(path) and not path.stat().st_size:
        raise EOFError  # no compressed text, be it empty, has no byte


def _streams(
    file: IO[bytes], new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]
) -> Iterator[bytes]:
    """The content of xz or bzip2 streams that follow one another up to the end of a file.

    `lzma.open` and `bz2.open` end in silence where something else follows: the zeros that xz may
    have between streams, or damage. All text after it would be left out.

    Args:
        file: compressed.
        new: makes what decompresses one stream.

    Raises:
        EOFError: a stream breaks off, or there is none.
        OSError: without a number, or `lzma.LZMAError`: what is there is no such stream.
    """
    content = file.read(_CHUNK_BYTES)
    is_first = True
    while content or is_first:
        stream, is_first = new(), False
        while not stream.eof:
            if stream.needs_input and not content:
                raise EOFError
            if chunk := stream.decompress(content, _CHUNK_BYTES):
                yield chunk
            content = file.read(_CHUNK_BYTES) if stream.needs_input and not stream.eof else b""
        content = stream.unused_data or file.read(_CHUNK_BYTES)
        if new is lzma.LZMADecompressor:  # its streams may have zeros behind them
            while content and not (content := content.lstrip(b"\0")):
                content = file.read(_CHUNK_BYTES)


def _open(path: Path) -> IO[bytes] | Any:  # the files of Arrow and of gzip
    name = path.name.lower()
    if name.endswith(".gz"):
        return gzip.open(path, "rb")
    if name.endswith(".zst"):
        import pyarrow as pa  # takes longer than all others of this package

        path.open("rb").close()  # what the system refuses has a number here
        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return path.open("rb")


def _truncated(path: Path) -> UserError:
    return UserError(
        f"truncated file: {path} breaks off at its end, byte {path.stat().st_size:,}. "
        "Expected the end of the compressed data. Copy or download it again."
    )


def _damaged(path: Path, num_bytes: int, error: Exception) -> UserError:
    return UserError(
        f"damaged file: {path}, in the text from byte {num_bytes:,} on: {one_line(error)}. "
        "Expected undamaged compressed data. Copy or download it again."
    )
