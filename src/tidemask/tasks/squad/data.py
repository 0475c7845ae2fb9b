"""The questions of SQuAD, read and checked: every answer must be where `answer_start` says.

Three layouts are read: rows as JSON Lines or as `datasets` has them (id, context, question,
answers: {text, answer_start}), from a local directory or the hub, and the nested JSON of the
official files (`train-v1.1.json`, `dev-v2.0.json`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemask.corpus.sources.decoding import read_records
from tidemask.errors import UserError
from tidemask.reading import parse_json, shown_json
from tidemask.tasks.data import TaskData
from tidemask.tasks.examples import Example, file_endings

_OFFICIAL = {1: "-v1.1", 2: "-v2.0"}
"""What the names of the official files contain, by version."""

_JSON = file_endings(".json")

_MAX_FILE_CHARACTERS = 1 << 27
"""Of an official file, which is a single line."""


@dataclass(frozen=True)
class Question:
    """A question on a context, and its answers.

    Attributes:
        id: unique in the split.
        context: the text that holds the answers.
        question: what is asked.
        answers: passages of the context; none for a question that it does not answer.
        answer_starts: where each of them begins in the context, characters.
    """

    id: str
    context: str
    question: str
    answers: tuple[str, ...]
    answer_starts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class SquadData:
    """Where the questions are.

    Attributes:
        rows: of the directory or of the hub's data set.
        version: 1 if every question has an answer, 2 if some may have none. Of several official
            files in a directory, those of this version are read.
    """

    rows: TaskData
    version: int

    def split(self, name: str) -> list[Question]:
        """The questions of `train` or `dev`, in order.

        Raises:
            UserError: there is no such split or it is empty, a field is missing or malformed, an id
                occurs twice, an answer is not where `answer_start` says, or there is none in
                version 1.
        """
        examples = self._examples(name)
        questions: dict[str, Question] = {}
        for example in examples:
            question = _checked(example, allows_none=self.version > 1)
            if question.id in questions:
                raise UserError(
                    f"question twice: {example.place}: id={question.id!r} occurred before. "
                    "Expected every question once. Remove one."
                )
            questions[question.id] = question
        return list(questions.values())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the data, hexadecimal."""
        official = [path for name in ("train", "dev") if (path := self.official_file(name))]
        if not official:
            return self.rows.fingerprint
        digest = hashlib.sha256()
        for path in official:
            digest.update(f"{path.name}\0".encode())
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
        return digest.hexdigest()

    def official_file(self, split: str) -> Path | None:
        """The nested JSON file of a split in a local directory; `None` if there is none."""
        directory = self.rows.directory
        if directory is None:
            return None
        middles = (_OFFICIAL[self.version], "")
        names = [f"{split}{middle}{ending}" for middle in middles for ending in _JSON]
        return next((path for name in names if (path := directory / name).is_file()), None)

    def _examples(self, split: str) -> Sequence[Example]:
        path = self.official_file(split)
        if path is not None:
            return list(_nested_rows(path))
        examples = self.rows.split(split)
        if examples is None:
            raise UserError(
                f"no {split} questions: {self.rows.source}. Expected {split}.jsonl or an official "
                f"file such as {split}{_OFFICIAL[self.version]}.json. Add it."
            )
        return examples


def _nested_rows(path: Path) -> Iterator[Example]:
    """The rows of an official file: articles under `data`, each with `paragraphs` with `qas`."""
    text = "\n".join(read_records(path, max_characters=_MAX_FILE_CHARACTERS))
    articles = parse_json(text, dict[str, Any], f"questions: {path}", advice="Expected JSON.")
    empty = True
    for article, at_article in _items(articles, "data", str(path)):
        for paragraph, at_paragraph in _items(article, "paragraphs", at_article):
            for asked, at_question in _items(paragraph, "qas", at_paragraph):
                empty = False
                yield Example(_flat(asked, paragraph), at_question)
    if empty:
        raise UserError(f"empty split: {path}. Expected at least one question.")


def _items(parent: Any, field: str, place: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The objects of a list in a nested file, each with its place."""
    children = parent.get(field) if isinstance(parent, dict) else None
    if not isinstance(children, list):
        raise UserError(
            f"field missing: {place} has no list {field}. Expected the layout of the official "
            "files: data, paragraphs, qas."
        )
    separator = "." if "[" in place else ": "
    for number, child in enumerate(children):
        at_child = f"{place}{separator}{field}[{number}]"
        if not isinstance(child, dict):
            raise UserError(f"not an object: {at_child}={shown_json(child)}. Expected an object.")
        yield child, at_child


def _flat(asked: Mapping[str, Any], paragraph: Mapping[str, Any]) -> dict[str, Any]:
    """A question of a nested file as a row, with its fields as they are, right or wrong."""
    row = {name: asked[name] for name in ("id", "question", "answers") if name in asked}
    row |= {name: paragraph[name] for name in ("context",) if name in paragraph}
    if asked.get("is_impossible"):
        row["answers"] = {"text": [], "answer_start": []}
    return row


def _checked(example: Example, *, allows_none: bool) -> Question:
    """The question of a row, if each of its answers is where `answer_start` says."""
    named = example
    if isinstance(example.fields.get("id"), str):
        named = Example(example.fields, f"{example.place}, question {example.fields['id']}")
    texts, starts = _answers(named)
    question = Question(
        id=named.text("id"),
        context=named.text("context"),
        question=named.text("question"),
        answers=tuple(texts),
        answer_starts=tuple(starts),
    )
    if not texts and not allows_none:
        raise UserError(
            f"no answer: {named.place}: answers.text=[]. Expected one or more. "
            "Questions without an answer are for task squad_v2."
        )
    for text, start in zip(texts, starts, strict=True):
        _check_span(text, start, question.context, named.place)
    return question


def _answers(example: Example) -> tuple[list[str], list[int]]:
    """Texts and starts: two lists side by side, or a list of objects as in the official files."""
    answers = example.value("answers")
    if isinstance(answers, list) and all(isinstance(answer, dict) for answer in answers):
        texts: Any = [answer.get("text") for answer in answers]
        starts: Any = [answer.get("answer_start") for answer in answers]
    else:
        columns = answers if isinstance(answers, dict) else {}
        texts, starts = columns.get("text"), columns.get("answer_start")
    is_whole = (
        isinstance(texts, list)
        and isinstance(starts, list)
        and len(texts) == len(starts)
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(start, int) and not isinstance(start, bool) for start in starts)
    )
    if not is_whole:
        raise UserError(
            f"answers of another form: {example.place}: answers={shown_json(answers)}. Expected "
            "text, a list of strings, and answer_start, a list of as many whole numbers. Fix the "
            "row."
        )
    return texts, starts


def _check_span(text: str, start: int, context: str, place: str) -> None:
    found = context[start : start + len(text)] if start >= 0 else ""
    if text.strip() and found == text:
        return
    nearest = context.find(text) if text.strip() else -1
    where = f"first occurs at {nearest}" if nearest >= 0 else "does not occur in it"
    raise UserError(
        f"answer not in its context: {place}: answer_start={start} is {shown_json(found)}, not "
        f"{shown_json(text)}, which {where}. Expected characters counted from 0. Fix the row."
    )
