"""The error that a user can cause and can fix: one line, no traceback at the command line."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path


class UserError(ValueError):
    """Something in a file, an argument or a directory is wrong, and the message says what to do.

    The message has one line: what is wrong, where, the value seen, what is expected and what to
    do. The command line prints it and exits with status 2; every other exception is a defect of
    ours and shows its traceback.

    Example:
        >>> from tidemask import UserError, load_recipe
        >>> try:
        ...     load_recipe("mrd-cosin")
        ... except UserError as error:
        ...     print(error)
        no such recipe: mrd-cosin. Did you mean mrd-cosine? ...
    """


def one_line(error: BaseException, *, longest: int = 200) -> str:
    """What another library's error says, in one line of about `longest` characters at most.

    It has no full stop at its end, since it stands within a message; where it is cut, at a space,
    it ends in dots.
    """
    text = " ".join(str(error).split())
    if len(text) > longest:
        return f"{text[:longest].rpartition(' ')[0] or text[:longest]} ..."
    return text.removesuffix(".") or type(error).__name__


def shortened(names: Sequence[object], most: int) -> str:
    """The first `most` of some names, joined by commas, and how many more there are.

    Example:
        >>> shortened(["a", "b", "c", "d"], 2), shortened([7], 2)
        ('a, b and 2 more', '7')
    """
    more = len(names) - most
    listed = ", ".join(map(str, names[:most]))
    return f"{listed} and {more:,} more" if more > 0 else listed


def command_line(*words: object) -> str:
    """A command of tidemask as a shell takes it, for a message that advises it.

    Args:
        words: its words; a `Path` that begins with a dash gets its directory, as it is no option.

    Example:
        >>> command_line("resume", "runs/a", "training.max_steps=N")
        'tidemask resume runs/a training.max_steps=N'
        >>> command_line("resume", "my runs/a")
        "tidemask resume 'my runs/a'"
    """
    texts = (f"./{w}" if isinstance(w, Path) and str(w)[0] == "-" else str(w) for w in words)
    return shlex.join(["tidemask", *texts])


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A hint at the end of a message: the known name that is nearest to a wrong one.

    Returns:
        ` Did you mean NEAREST?`, with the space before it; empty where no name is near.

    Example:
        >>> did_you_mean("cosin", ["constant", "cosine"])
        ' Did you mean cosine?'
        >>> did_you_mean("x", ["constant", "cosine"])
        ''
    """
    nearest = difflib.get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {nearest[0]}?" if nearest else ""


def missing_package(user: str, package: str, *, extra: str) -> UserError:
    """The error of something that needs a package which is not installed.

    Args:
        user: what needs it, such as `--tagger spacy:en_core_web_sm`.
        package: its name on PyPI.
        extra: of tidemask, which installs it.

    Example:
        >>> str(missing_package("entity scores", "nervaluate", extra="eval"))
        "entity scores needs nervaluate, which is not installed. Install it with `pip install 'tidemask[eval]'`."
    """  # noqa: E501  # the message has one line
    return UserError(
        f"{user} needs {package}, which is not installed. "
        f"Install it with `pip install 'tidemask[{extra}]'`."
    )
