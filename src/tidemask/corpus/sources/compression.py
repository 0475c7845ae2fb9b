"""The bytes of a file, decompressed by the ending of its name, and errors for damaged files.

Only one chunk is held at a time. gzip, xz and bzip2 are those of Python, Zstandard is Arrow's.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from tidemask.errors import UserError, one_line
from tidemask.files.paths import check_plain_file
from tidemask.system_errors import why_refused

COMPRESSED: tuple[str, ...] = (".gz", ".xz", ".bz2", ".zst")
"""What the names of compressed files end in."""

_CHUNK_BYTES = 1 << 20

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


def chunks(path: Path) -> Iterator[bytes]:
    """Stream the bytes of a file, decompressed, about a million at a time.

    Raises:
        UserError: it is a pipe or a device, its compressed data is damaged or truncated, or the
            system refuses to read it.
    """
    check_plain_file(path)
    num_bytes = 0
    try:
        with _open(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
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


def _open(path: Path) -> IO[bytes] | Any:  # the files of Arrow and of the compressions
    name = path.name.lower()
    if name.endswith(".gz"):
        return gzip.open(path, "rb")
    if name.endswith(".xz"):
        return lzma.open(path, "rb")
    if name.endswith(".bz2"):
        return bz2.open(path, "rb")
    if name.endswith(".zst"):
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
