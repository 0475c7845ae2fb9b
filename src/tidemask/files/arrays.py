"""Arrays by name in one compressed file, NumPy's `.npz`, which is never read as pickle."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.errors import UserError, one_line
from tidemask.files.atomic import write_atomically

Arrays = Mapping[str, NDArray[Any]]
"""Numbers, booleans or texts, by name."""


def write_arrays(path: Path, arrays: Arrays, *, then: str = "give the command again") -> str:
    """Write arrays to a file, whole or not at all; returns the SHA-256 of the file, hexadecimal.

    Args:
        path: of the file; replaced if it exists.
        arrays: of any shapes, none of objects. The same arrays give the same bytes.
        then: how to go on once there is room for it.

    Raises:
        UserError: it could not be written.
        ValueError: an array of objects.
    """
    file = io.BytesIO()
    plain: dict[str, Any] = dict(arrays)
    np.savez_compressed(file, allow_pickle=False, **plain)
    content = file.getvalue()
    write_atomically(path, content, what="result", then=then)
    return hashlib.sha256(content).hexdigest()


def read_arrays(path: Path, sha256: str, *, advice: str) -> dict[str, NDArray[Any]]:
    """The arrays of a file whose digest is known.

    Raises:
        UserError: it is missing, of another digest, or cannot be read; ends in `advice`.
    """
    if not path.is_file():
        raise UserError(f"arrays are missing: {path} does not exist. {advice}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise UserError(
            f"arrays of another result: {path} has the SHA-256 {found[:12]}, the result names "
            f"{sha256[:12]}. {advice}"
        )
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"damaged arrays: {path}: {one_line(error)}. {advice}") from error
