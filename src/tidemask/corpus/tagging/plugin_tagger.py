"""Taggers of other packages, by the entry points of the group "tidemask.taggers".

An entry point names a function of what follows the colon of `--tagger NAME:ARGUMENT` (empty where
there is none), which returns a `Tagger`. It is called in each worker process, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points

import numpy as np

from tidemask.corpus.tagging.words import TaggedWords, Tagger
from tidemask.errors import UserError, one_line
from tidemask.system_errors import raise_out_of_memory
from tidemask.token_classes import NO_CLASS

GROUP = "tidemask.taggers"
"""The group of entry points."""


def plugin_names() -> tuple[str, ...]:
    """Names of the taggers that installed packages have, in the order of the alphabet."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


class PluginTagger:
    """A tagger of another package, whose words are checked.

    Args:
        name: as it is asked for: that of an entry point, with a colon and what follows it.

    Raises:
        UserError: it cannot be loaded, has no or too many classes, or no fingerprint.
    """

    def __init__(self, name: str) -> None:
        kind, _, argument = name.partition(":")
        (point, *_) = entry_points(group=GROUP, name=kind)
        self.name = name
        self._tagger = _loaded(point, name, argument)
        try:
            self.class_names = tuple(map(str, self._tagger.class_names))
            self.fingerprint = str(self._tagger.fingerprint)
        except (AttributeError, TypeError) as error:
            raise self._wrong(f"it is no tagger ({one_line(error)})") from error
        if not 0 < len(self.class_names) <= NO_CLASS:
            raise self._wrong(f"it has {len(self.class_names)} classes, not 1 to {NO_CLASS}")

    def tag(self, texts: Sequence[str]) -> list[TaggedWords]:
        """The words of each text; a text's words do not depend on the other texts.

        Raises:
            UserError: it fails, or they are not as `TaggedWords` wants them.
        """
        try:
            found = list(self._tagger.tag(texts))
        except UserError:
            raise
        except (Exception, SystemExit) as error:  # whatever somebody's code raises
            raise_out_of_memory(error)
            raise self._wrong(f"it failed ({type(error).__name__}: {one_line(error)})") from error
        if len(found) != len(texts):
            raise self._wrong(f"it returned words for {len(found)} of {len(texts)} texts")
        return [self._checked(*pair) for pair in zip(texts, found, strict=True)]

    def _checked(self, text: str, words: TaggedWords) -> TaggedWords:
        starts, ends, classes = (
            np.asarray(column).astype(np.int64)
            for column in (words.starts, words.ends, words.classes)
        )
        bounds = np.concatenate([[0], np.stack([starts, ends], 1).ravel(), [len(text)]])
        if len(starts) and ((np.diff(bounds) < 0).any() or (ends <= starts).any()):
            raise self._wrong(f"words out of order, empty or beyond the text of {text[:40]!r}")
        inside = classes[classes != NO_CLASS]
        if len(classes) != len(starts) or (inside >= len(self.class_names)).any():
            raise self._wrong(f"classes that it has no names of, in {text[:40]!r}")
        return TaggedWords(starts.astype(np.int32), ends.astype(np.int32), classes.astype(np.uint8))

    def _wrong(self, what: str) -> UserError:
        return UserError(
            f"unusable tagger: tagger={self.name}: {what}. Expected a tagger as "
            "tidemask.corpus.tagging.words.Tagger describes it. Ask its authors, or use another."
        )


def _loaded(point: EntryPoint, name: str, argument: str) -> Tagger:
    try:
        make: Callable[[str], Tagger] = point.load()
        return make(argument)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever somebody's code raises
        raise UserError(
            f"tagger that cannot be loaded: tagger={name} ({point.value}): {type(error).__name__}: "
            f"{one_line(error)}. Check its installation."
        ) from error
