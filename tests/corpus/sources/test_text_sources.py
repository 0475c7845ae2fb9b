import bz2
import gzip
import hashlib
import lzma
import time
import tracemalloc

import pyarrow as pa
import pytest

from cases import all_cases
from privileges import readable_by_all, without_privileges
from tidemask.corpus.sources import borders
from tidemask.corpus.sources.decoding import MAX_RECORD_CHARACTERS, read_records
from tidemask.corpus.sources.settings import TextSettings
from tidemask.corpus.sources.text_sources import TextSources
from tidemask.errors import UserError
from tidemask.reading import compression

BLANK_LINES = TextSettings(documents="blank-lines")


def found(*patterns):
    return TextSources.find(patterns, BLANK_LINES)


def texts(*patterns):
    return [document.text for document in found(*patterns)()]


def paths(*patterns):
    return tuple(file.path for file in found(*patterns).files)


def test_text_blank_lines_separate_documents(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n\none\ntwo\n \t \n\nthree  \n  four", "utf-8")
    assert texts(path) == ["one\ntwo", "three  \n  four"]
    assert [(d.source, d.place, d.held_out) for d in found(path)()] == [
        (str(path), 3, None), (str(path), 7, None),
    ]  # fmt: skip


def test_text_byte_order_mark_and_carriage_returns_are_dropped(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n\r\nthree\ttab\r\n")
    assert texts(path) == ["one\ntwo", "three\ttab"]


def test_text_is_not_normalised(tmp_path):
    path = tmp_path / "a.txt"
    decomposed = "cafe\u0301 \u2126 \ufb01 \u00a0x\u2028y"
    path.write_text(decomposed, "utf-8")
    assert texts(path) == [decomposed]


def zstandard(content):
    return pa.compress(content, codec="zstd", asbytes=True)


COMPRESS = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, ".zst": zstandard}


@all_cases("ending", ["", *COMPRESS])
@all_cases("chunk_bytes", [1, 2, 3, 7, 1 << 20])
def test_text_is_the_same_compressed_and_in_chunks(tmp_path, monkeypatch, ending, chunk_bytes):
    monkeypatch.setattr(compression, "_CHUNK_BYTES", chunk_bytes)
    path = tmp_path / f"a.TXT{ending.upper()}"
    content = "\ufeffнё 🙂漢\r\n字\r\r\n\rzwei\n".encode()
    path.write_bytes(COMPRESS.get(ending, bytes)(content))
    assert texts(path) == ["нё 🙂漢\n字", "zwei"]


def test_text_directories_are_recursive_and_sorted(tmp_path):
    for name in ("b.txt", "a/z.txt", "a/b/c.txt", "notes.pdf", ".hidden/x.txt", ".y.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, "utf-8")
    assert texts(tmp_path) == ["a/b/c.txt", "a/z.txt", "b.txt"]
    assert texts(tmp_path / "b.txt", tmp_path) == ["b.txt", "a/b/c.txt", "a/z.txt"]
    assert texts(tmp_path / "*.txt") == ["b.txt"]
    assert texts(tmp_path / "*") == ["a/b/c.txt", "a/z.txt", "b.txt"]
    assert texts(tmp_path / "**" / "z.txt") == ["a/z.txt"]


def test_text_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    (tmp_path / "a[1].txt").write_text("brackets", "utf-8")
    (tmp_path / "a1.txt").write_text("plain", "utf-8")
    assert texts(tmp_path / "a[1].txt") == ["brackets"]


def test_text_a_book_without_blank_lines_is_one_document(tmp_path):
    path = tmp_path / "book.txt"
    whole = "\n".join(f"line {index} " + "word " * (index % 40) for index in range(10_000))
    path.write_text(whole, "utf-8")
    assert texts(path) == [whole]


@pytest.mark.parametrize("chunk_bytes", [1000, 65_536, 1 << 20])
def test_text_a_line_without_end_is_whole(tmp_path, monkeypatch, chunk_bytes):
    monkeypatch.setattr(compression, "_CHUNK_BYTES", chunk_bytes)
    path = tmp_path / "a.txt"
    line = " ".join(f"w{index}" for index in range(50_000))
    path.write_text(f"{line}\n\n" + "字" * 150_000, "utf-8")
    assert texts(path) == [line, "字" * 150_000]


@pytest.mark.slow
def test_text_of_fifty_megabytes_on_one_line_is_read_in_linear_time(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("word " * 10_000_000, "utf-8")
    started = time.process_time()
    (text,) = texts(path)
    assert len(text) == 50_000_000
    assert time.process_time() - started < 10


def test_text_longer_than_memory_may_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(borders, "MAX_DOCUMENT_CHARACTERS", 1000)
    path = tmp_path / "a.txt"
    path.write_text("short\n\n" + "some words\n" * 100)
    said = "from line 3 on it has more than 1,000 characters. Expected shorter ones. Say where"
    assert said in message(path)
    assert len(list(TextSources.find([path], TextSettings(documents="line"))())) == 101


@pytest.mark.slow
def test_text_is_streamed(tmp_path):
    path = tmp_path / "a.txt.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.writelines(f"{'some words ' * 50}{index}\n\n" for index in range(40_000))
    tracemalloc.start()
    num_characters = sum(len(document.text) for document in found(path)())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert num_characters > 20_000_000
    assert peak < 8_000_000


def test_text_sources_have_size_and_hash(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n")
    (source,) = found(path).sources()
    assert (source.path, source.num_bytes, source.format) == (str(path), 4, "text")
    assert source.sha256 == hashlib.sha256(b"one\n").hexdigest()


def test_text_an_empty_file_among_others_is_passed_over(tmp_path):
    (tmp_path / "a.txt").write_text("\n \n", "utf-8")
    (tmp_path / "b.txt").write_text("text", "utf-8")
    assert texts(tmp_path) == ["text"]


def message(*patterns):
    with pytest.raises(UserError) as caught:
        list(found(*patterns)())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_text_refuses_names_that_name_nothing(tmp_path):
    assert message(tmp_path / "absent.txt").startswith(f"no such file: {tmp_path / 'absent.txt'}.")
    assert message(tmp_path / "*.txt").startswith(f"no file matches: {tmp_path / '*.txt'}.")
    assert message(tmp_path).startswith(f"no text file in the directory: {tmp_path}.")
    assert message().startswith("no text: no file was named.")


def test_text_refuses_unknown_endings_and_lists_the_known(tmp_path):
    (tmp_path / "a.pdf").write_text("text", "utf-8")
    for pattern in ("a.pdf", "*.pdf"):
        complaint = message(tmp_path / pattern)
        assert complaint.startswith(f"unknown file ending: {tmp_path / 'a.pdf'}")
        assert (
            ".txt, .md, .markdown, .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow, .conllu, "
            ".conll; all "
            "but" in complaint
        )


def test_text_refuses_empty_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(" \n\n", "utf-8")
    assert message(path).startswith(f"empty text: {path}.")


@pytest.mark.parametrize("chunk_bytes", [1, 5, 1 << 20])
@pytest.mark.parametrize(
    ("content", "offset", "byte"),
    [
        (b"abc\xff def", 3, "0xff"),
        ("né".encode() + b"\xe9t\xe9", 3, "0xe9"),
        (b"good\n" * 3 + b"\xe2\x82", 15, "0xe2"),
        (b"\xff\xfeh\x00i\x00", 0, "0xff"),
        (b"PK\x00\x03", 2, "0x00"),
    ],
)
def test_text_names_the_offset_of_what_is_not_text(
    tmp_path, monkeypatch, chunk_bytes, content, offset, byte
):
    monkeypatch.setattr(compression, "_CHUNK_BYTES", chunk_bytes)
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(content))
    assert f": {path}, byte offset {offset}: {byte}" in message(path)


@all_cases(("ending", "compress"), list(COMPRESS.items()))
def test_text_refuses_truncated_and_damaged_files(tmp_path, ending, compress):
    path = tmp_path / f"a.txt{ending}"
    compressed = compress(b"".join(b"line %d\n" % index for index in range(1000)))
    path.write_bytes(compressed[:-20])
    size = len(compressed) - 20
    assert message(path).startswith(f"truncated file: {path} breaks off at its end, byte {size:,}.")
    path.write_bytes(b"not compressed data")
    assert message(path).startswith(f"damaged file: {path}, in the text from byte 0 on: ")
    half = len(compressed) // 2
    path.write_bytes(compressed[:half] + bytes(byte ^ 0xFF for byte in compressed[half:]))
    assert message(path).startswith((f"damaged file: {path}", f"truncated file: {path}"))


@pytest.mark.parametrize("change", ["appended to", "cut", "replaced", "deleted"])
def test_text_that_changes_while_it_is_read_is_refused(tmp_path, change):
    """A tokenizer is trained in a first reading, and the text is encoded in a second."""
    path = tmp_path / "a.txt"
    path.write_text("one\n\ntwo\n\nthree\n")
    files = found(path)
    first = [document.text for document in files()]
    assert [document.text for document in files()] == first
    match change:
        case "appended to":
            path.write_text(path.read_text() + "\nfour\n")
        case "cut":
            path.write_text("one\n")
        case "replaced":
            other = tmp_path / "other"
            other.write_text(path.read_text())
            other.replace(path)
        case "deleted":
            documents = files()
            next(documents)
            path.unlink()
            with pytest.raises(UserError, match=r"text changed while it was read: .*No such file"):
                list(documents)
            return
    with pytest.raises(UserError, match=rf"text changed while it was read: {path} "):
        list(files())


def test_text_below_links_to_directories_is_read_once_and_circles_end(tmp_path):
    inside, outside = tmp_path / "texts", tmp_path / "elsewhere"
    for directory in (inside / "z", outside):
        directory.mkdir(parents=True)
    (inside / "z" / "one.txt").write_text("one")
    (outside / "two.txt").write_text("two")
    (inside / "a").symlink_to(inside / "z")
    (inside / "b").symlink_to(outside)
    (inside / "z" / "up").symlink_to(inside)
    (outside / "back").symlink_to(inside)
    assert paths(inside) == (inside / "b" / "two.txt", inside / "z" / "one.txt")


@pytest.mark.parametrize("pattern", ["", "*", "**/*.txt", "*/*.txt", "**/two.txt"])
def test_text_in_a_directory_without_permission_is_not_left_out(pattern):
    with readable_by_all() as root:
        for name in ("open", "shut/below"):
            (root / name).mkdir(parents=True)
            (root / name / "two.txt").write_text(name)
        (root / "shut").chmod(0)
        with without_privileges(), pytest.raises(UserError) as caught:
            found(root / pattern)
        said = f"cannot read: {root / 'shut'}: Permission denied. Check the permissions of it"
        assert str(caught.value).startswith(said)
        with without_privileges():
            assert paths(root / "op*") == (root / "open" / "two.txt",)


def test_records_longer_than_their_bound_are_refused_and_others_are_whole(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text("ab\n" + "x" * 9 + "\r\nc")
    assert list(read_records(path, max_characters=10)) == ["ab", "x" * 9, "c"]
    with pytest.raises(UserError, match=r"too long: .*records\.jsonl, line 2 has more than 8 "):
        list(read_records(path, max_characters=8))
    path.write_text("a\n" + "x" * MAX_RECORD_CHARACTERS * 2)
    with pytest.raises(UserError, match="line 2 has more than 16,777,216 characters"):
        list(read_records(path))


def test_text_sources_name_files_without_text(tmp_path):
    for name, content in (("a", "One.\n"), ("b", ""), ("c", " \n\n"), ("d", ""), ("e", "")):
        (tmp_path / f"{name}.txt").write_text(content)
    sources = TextSources.find([tmp_path], TextSettings(documents="file"))
    for _ in range(2):
        assert [document.text for document in sources()] == ["One."]
        named = ", ".join(str(tmp_path / f"{name}.txt") for name in "bcd")
        assert sources.notes() == [f"Without any text: {named} and 1 more."]
