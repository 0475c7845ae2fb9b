"""Encodings, line ends and what cannot be decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases
from tidemask.corpus.sources.decoding import Decoding, decoded
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.errors import UserError
from tidemask.reading import compression

TEXT = "Größe, 川, écoute\nнёбо"
ENCODINGS = [
    ("utf-16", TEXT), ("UTF-16-LE", TEXT), ("utf-32", TEXT), ("gb18030", TEXT), ("utf_8_sig", TEXT),
    ("cp1252", "Größe, écoute"), ("latin-1", "Größe"), ("koi8-r", "небо"), ("shift_jis", "川は"),
]  # fmt: skip


def read(path: Path, **settings: Any) -> str:
    sources = TextSources.find([path], TextSettings(documents="file", **settings))
    return "".join(document.text for document in sources())


@all_cases("chunk_bytes", [1, 3, 1 << 20])
@all_cases(("encoding", "text"), ENCODINGS)
def test_decoding_of_other_encodings(
    encoding: str, text: str, chunk_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "_CHUNK_BYTES", chunk_bytes)
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    assert read(path, encoding=encoding) == text


@given(st.text(st.sampled_from("ab\r\n")), st.integers(1, 4))
def test_decoding_line_ends_are_those_of_python(
    tmp_path_factory: pytest.TempPathFactory, text: str, chunk_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("ends") / "a.txt"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "_CHUNK_BYTES", chunk_bytes)
        found = "".join(decoded(path, Decoding(any_line_end=True)))
    assert found == path.read_text()  # with universal newlines


def test_decoding_documents_of_lone_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\r\r".join(b"document %d" % number for number in range(100)))
    sources = TextSources.find([path], TextSettings(documents="blank-lines"))
    assert [d.text for d in sources()] == [f"document {number}" for number in range(100)]


def test_decoding_says_what_another_encoding_and_replacing_would_do(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Die Größe der Flüsse".encode("cp1252"))
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value) == (
        f"undecodable text: {path}, byte offset 6: 0xf6 (invalid start byte). Expected UTF-8 text. "
        "Name the encoding of the file (--encoding), as --encoding cp1252, which would read 'Die "
        "Größe der Flüs' here, or let such bytes become U+FFFD and be counted (--errors replace)."
    )
    path.write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(UserError, match=r"byte offset 0: 0xff .*as --encoding utf-16, which"):
        read(path)
    for encoding in ("utf-32", "utf-32-be"):  # without what utf-32 alone takes for its mark
        mark = "\ufeff" if encoding == "utf-32-be" else ""
        path.write_bytes((mark + TEXT).encode(encoding))
        with pytest.raises(UserError, match=r"as --encoding utf-32, which would read '.?[A-Z]"):
            read(path)
        assert read(path, encoding="utf-32") == TEXT
    path.write_bytes(b"ab\x81")
    with pytest.raises(UserError, match=r"byte offset 2: 0x81 .*Expected cp1252 text"):
        read(path, encoding="cp1252")


@all_cases("chunk_bytes", [1, 4, 1 << 20])
def test_decoding_replaces_and_counts(
    chunk_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "_CHUNK_BYTES", chunk_bytes)
    (tmp_path / "a.txt").write_bytes(b"gr\xf6\xdfer \xef\xbf\xbd \x00 \xe2\x82")
    (tmp_path / "b.txt").write_bytes(b"x\xff")
    settings = TextSettings(documents="file", errors="replace")
    sources = TextSources.find([tmp_path], settings)
    for _ in range(2):
        assert [d.text for d in sources()] == ["gr��er � � ��", "x�"]
        assert sources.notes() == [
            "Bytes that are not utf-8, or NUL, and stand as U+FFFD: "
            f"5 in {tmp_path / 'a.txt'}, 1 in {tmp_path / 'b.txt'}."
        ]


def test_decoding_refuses_nul(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"text\x00")
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value) == (
        f"binary file: {path}, byte offset 4: 0x00. Expected text without NUL. Leave it out, or "
        "let such bytes become U+FFFD and be counted (--errors replace)."
    )
    for encoding in ("utf-16-le", "utf-16-be"):
        path.write_bytes("A text without a mark.".encode(encoding))
        with pytest.raises(
            UserError, match=rf"may be text in another .* \(--encoding {encoding}\)"
        ):
            read(path)
    path.write_bytes("text\x00".encode("utf-16"))
    with pytest.raises(UserError, match="binary file"):
        read(path, encoding="utf-16")
    path.write_bytes("text\x00".encode("utf-16"))
    assert read(path, encoding="utf-16", errors="replace") == "text�"
