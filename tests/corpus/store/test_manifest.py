"""The manifest of a prepared corpus as a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tidemask.corpus.store.manifest import read_manifest


@pytest.mark.slow
def test_manifest_of_any_length_is_read(corpus: Path, tmp_path: Path) -> None:
    """That of 400,000 sources has 76 MB."""
    manifest = read_manifest(corpus / "manifest.json")
    long = replace(manifest.sources[0], path="a" * 51_000_000)
    longer = replace(manifest, sources=(*manifest.sources, long))
    longer.write(tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == longer
