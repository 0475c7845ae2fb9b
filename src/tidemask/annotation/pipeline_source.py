"""What a spaCy pipeline finds in the texts of a corpus, as a source of classes and groups.

Importing this module loads no spaCy; `PipelineSource.of(...)` does. Every token has what the spaCy
token has that shares most characters with its whole word: words are of one class and one group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.pipeline_attributes import (
    PipelineAttribute,
    attribute_named,
    class_indices,
)
from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.corpus.long_documents import part_ends
from tidemask.corpus.tagging.spacy_pipeline import (
    BATCH_TEXTS,
    import_spacy,
    load_pipeline,
    pipeline_fingerprint,
)
from tidemask.corpus.tagging.words import align_words
from tidemask.corpus.words.spans import Words
from tidemask.errors import UserError
from tidemask.settings import shown
from tidemask.token_classes import NO_CLASS, NO_GROUP, ColumnKind


@dataclass(frozen=True)
class PipelineSource:
    """An attribute of the tokens of a spaCy pipeline.

    Attributes:
        pipeline: name of an installed pipeline, or the directory of one.
        attribute: name of the attribute.
        kind: "class" or "group".
        class_names: that its components may give, in the order of the alphabet.
        fingerprint: of spaCy, the pipeline and the attribute.
    """

    pipeline: str
    attribute: str
    kind: ColumnKind
    class_names: tuple[str, ...]
    fingerprint: str
    reads_texts: bool = True
    max_workers: int | None = None

    @classmethod
    def of(cls, request: SourceRequest) -> PipelineSource:
        """Load the pipeline and look at what it gives.

        Raises:
            UserError: spaCy is missing, there is no such pipeline or attribute, the pipeline does
                not set it, or it is of another kind than was asked for.
        """
        attribute = attribute_named(request.attribute)
        request.kind_among(attribute.kind)
        nlp = _load(request.argument, attribute)
        class_names = attribute.class_names(nlp)
        if not attribute.is_set_by(nlp) or (attribute.kind == "class" and not class_names):
            raise UserError(
                f"attribute that is not set: {request.name} has the components "
                f"{', '.join(nlp.pipe_names) or 'none'}, and none sets {attribute.name}. Choose "
                "another pipeline or attribute."
            )
        if len(class_names) > NO_CLASS:
            raise UserError(
                f"too many classes: {request.name} has {len(class_names)} labels for "
                f"{attribute.name}, such as {shown(class_names[0])}. Expected {NO_CLASS} at most."
            )
        spacy = import_spacy(request.name)
        named = f"{pipeline_fingerprint(spacy, nlp, request.argument)}, {attribute.name}"
        return cls(request.argument, attribute.name, attribute.kind, class_names, named)

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[Any]]:
        """The class or group of each token, `NO_CLASS` or `NO_GROUP` where it has none."""
        parts = [list(_parts(document.text or "")) for document in documents]
        texts = (text for of_document in parts for _, text in of_document)
        analysed = self._nlp.pipe(texts, batch_size=BATCH_TEXTS)
        return [
            self._of_document(document, [(begin, next(analysed)) for begin, _ in of_document])
            for document, of_document in zip(documents, parts, strict=True)
        ]

    def _of_document(
        self, document: DocumentTokens, parts: list[tuple[int, Any]]
    ) -> NDArray[np.int64]:
        """The values of the tokens of a document from the analysis of its parts."""
        starts, ends, values = [], [], []
        num_groups = 0
        for begin, doc in parts:
            places = doc.to_array(["IDX", "LENGTH"]).astype(np.int64).reshape(-1, 2)
            starts.append(places[:, 0] + begin)
            ends.append(places.sum(1) + begin)
            found = self._found(doc)
            if self.kind == "group":
                found = np.where(found >= 0, found + num_groups, NO_GROUP)
                num_groups = int(found.max(initial=num_groups - 1)) + 1
            values.append(found)
        words = Words(
            np.concatenate(starts).astype(np.int32), np.concatenate(ends).astype(np.int32)
        )
        indices = align_words(words, document.starts, document.ends, document.word_starts)
        none = NO_CLASS if self.kind == "class" else NO_GROUP
        of_tokens: NDArray[np.int64] = np.append(np.concatenate(values), none)[indices]
        return of_tokens

    def _found(self, doc: Any) -> NDArray[np.int64]:
        found = attribute_named(self.attribute).values(doc)
        if isinstance(found, list):
            return class_indices(found, self.class_names, f"spacy:{self.pipeline}")
        return found

    @cached_property
    def _nlp(self) -> Any:
        """The pipeline of this process."""
        return _load(self.pipeline, attribute_named(self.attribute))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_nlp"}


def _load(pipeline: str, attribute: PipelineAttribute) -> Any:
    user = f"source=spacy:{pipeline}"
    if not pipeline:
        raise UserError(
            "source without its pipeline: source=spacy:. Expected spacy:PIPELINE, the name of an "
            "installed pipeline or the directory of one."
        )
    return load_pipeline(import_spacy(user), pipeline, user, unneeded=attribute.unneeded)


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """A text in parts that a parser has memory for, each with its first character's offset."""
    for begin, end in pairwise([0, *part_ends(text)]):
        yield begin, text[begin:end]
