"""Processes that encode chunks of texts: of this machine, or tasks of Ray, on a cluster's machines.

Each has the tokenizer and loads the tagger once. What they give is that of `encode_texts`.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import metadata
from itertools import pairwise
from typing import Any

import numpy as np

from tidemask.children import serve_parent, worker_pool
from tidemask.corpus.store.rows import EncodedDocument
from tidemask.corpus.tagging.given_tags import GivenTagger
from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.corpus.tagging.words import TaggedWords, Tagger
from tidemask.corpus.text_encoding import encode_texts
from tidemask.corpus.tokenizing.tokenizer import PlainTextEncoder
from tidemask.corpus.words.boundaries import WordRule
from tidemask.errors import UserError, one_line

Chunk = tuple[list[str], list[TaggedWords] | None]
"""Texts, and the words of each where the input has them."""

JoinedDocuments = tuple[EncodedDocument, list[int]]
"""Documents joined into one, and where each ends: pickling four arrays is ten times faster than
four for each document."""

Submit = Callable[[Chunk], Callable[[], JoinedDocuments]]
"""Hands a chunk to the workers; what it returns waits for the documents."""

_LEXICON = "tidemask.corpus.tagging.shared_lexicon"
"""Module that reads the lexicon of the embedded tagger, which processes of a machine share."""

_DECIDING_PACKAGES = ("tidemask", "tokenizers", "textblob", "icu4py", "regex")
"""Packages whose versions decide about words and tokens, of which all that encode must have the
same: machines, and a preparation that goes on with what another has finished."""


@dataclass(frozen=True)
class EncodingTools:
    """What texts are encoded with, as it is sent to workers.

    Attributes:
        encoder: the tokenizer's.
        tagger: its name; each worker loads it.
        words: where words come from.
        software: versions on the machine that sends them, and the fingerprint of its tagger.
    """

    encoder: PlainTextEncoder
    tagger: str
    words: WordRule
    software: dict[str, str]

    @classmethod
    def of(cls, encoder: PlainTextEncoder, tagger: Tagger | None, words: WordRule) -> EncodingTools:
        """The tools of this process, with a tagger or without."""
        return cls(encoder, "none" if tagger is None else tagger.name, words, software_of(tagger))


def software_of(tagger: Tagger | GivenTagger | None) -> dict[str, str]:
    """What decides about words and tokens: versions, and the fingerprint of the tagger."""
    versions = {name: metadata.version(name) for name in _DECIDING_PACKAGES}
    return versions if tagger is None else {**versions, "tagger": tagger.fingerprint}


def encode_chunk(
    chunk: Chunk, encoder: PlainTextEncoder, tagger: Tagger | None, words: WordRule
) -> JoinedDocuments:
    """The documents of a chunk, joined as they travel between processes."""
    texts, given = chunk
    documents = encode_texts(texts, encoder, tagger, words, given)
    ends = np.cumsum([len(document.ids) for document in documents])
    return EncodedDocument.joined(documents), ends.tolist()


def separated(joined: EncodedDocument, ends: list[int]) -> Iterator[EncodedDocument]:
    """The documents of a chunk, each by itself."""
    for begin, end in pairwise([0, *ends]):
        part = slice(begin, end)
        yield EncodedDocument(*(column[part] for column in vars(joined).values()))


# ---- processes of this machine ----

_encode_with: tuple[PlainTextEncoder, Tagger | None, WordRule]
"""What a worker process encodes with, set by `_start_worker`."""


@contextmanager
def process_workers(num_workers: int, tools: EncodingTools) -> Iterator[Submit]:
    """Processes of this machine, which end with the block.

    Raises:
        UserError: one died.
    """
    lexicon = [_LEXICON] if tools.tagger.startswith("textblob") else []
    preload = [__name__, *lexicon]
    with worker_pool(num_workers, _start_worker, tools, preload=preload) as pool:
        try:
            yield lambda chunk: pool.submit(_encode_in_worker, chunk).result
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process died while encoding the text. Expected all to finish. Perhaps "
                "memory ran out. Use fewer workers; workers=1 starts none."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(tools: EncodingTools) -> None:
    global _encode_with
    serve_parent()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one core per worker
    _encode_with = tools.encoder, load_tagger(tools.tagger), tools.words


def _encode_in_worker(chunk: Chunk) -> JoinedDocuments:
    return encode_chunk(chunk, *_encode_with)


# ---- tasks of Ray ----


@contextmanager
def ray_workers(ray: Any, tools: EncodingTools) -> Iterator[Submit]:
    """Tasks of Ray, one for a chunk, which it begins again where a worker or a machine was lost.

    Args:
        ray: the module, connected.
        tools: are sent to each machine once.

    Raises:
        UserError: a chunk was lost several times, or a machine has other versions.
    """
    task = ray.remote(num_cpus=1)(_encode_in_task)
    sent = ray.put(pickle.dumps(tools))
    try:
        yield lambda chunk: partial(ray.get, task.remote(sent, chunk))
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise UserError(
            f"a worker of Ray was lost while encoding the text, several times: {one_line(error)}. "
            "Expected each chunk to be finished. Perhaps memory ran out on its machine: give its "
            "Ray fewer CPUs. The same command goes on with what is finished."
        ) from error


def _encode_in_task(tools: bytes, chunk: Chunk) -> JoinedDocuments:
    return encode_chunk(chunk, *_opened(tools))


@lru_cache(maxsize=1)
def _opened(tools: bytes) -> tuple[PlainTextEncoder, Tagger | None, WordRule]:
    """What a worker of Ray encodes with, once for each preparation it serves.

    Raises:
        UserError: this machine has other versions than the one that sent the tools.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    sent: EncodingTools = pickle.loads(tools)
    tagger = load_tagger(sent.tagger)
    here = software_of(tagger)
    for name, expected in sent.software.items():
        if here[name] != expected:
            raise UserError(
                f"other software on a machine of the cluster: {name} {here[name]} on "
                f"{socket.gethostname()}. Expected {expected}, as where the command is given, for "
                "the same tokens. Install the same versions on all machines."
            )
    return sent.encoder, tagger, sent.words
