"""The page of the command line, from the parser that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from reference_text import code, markdown, table
from tidemask.cli.app import app


def command_reference() -> str:
    """A section for each command: what it does, its usage, arguments, options and defaults."""
    return "".join(_sections(get_command(app), "tidemask"))


def _sections(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        own = f"{path} {name}"
        context = command.make_context(own, [], resilient_parsing=True)
        usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
        records = [parameter.get_help_record(context) for parameter in command.params]
        rows = [[code(name), markdown(meaning)] for name, meaning in filter(None, records)]
        yield f"## {own}\n\n{_paragraphs(command.help)}```text\n{usage}\n```\n\n"
        yield table(["argument or option", "meaning"], rows) if rows else ""
        if hasattr(command, "commands"):
            yield from _sections(command, own)


def _paragraphs(text: str) -> str:
    return "".join(f"{markdown(paragraph)}\n\n" for paragraph in text.split("\n\n"))
