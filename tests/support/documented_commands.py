"""Commands that stand in the documents."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from typer.main import get_command

from tidemask.cli import app as cli
from tidemask.runs.config import load_recipe
from tidemask.runs.settings_reading import load_settings
from tidemask.tasks.table import TaskSettings


def check_command(line: str) -> None:
    """Command and options exist, and the settings fit their recipe."""
    program, name, *arguments = shlex.split(line)
    group: Any = get_command(cli.app)
    options = {o for p in group.commands[name].params for o in p.opts}
    assert program == "tidemask"
    assert {argument for argument in arguments if argument.startswith("--")} <= options
    if name == "evaluate":
        overrides = [word for word in arguments if re.match(r"[a-z_]+\.[a-z_]+=", word)]
        load_settings(TaskSettings, overrides, line)
    if "--recipe" in arguments:
        overrides = [argument for argument in arguments if "=" in argument]
        load_recipe(arguments[arguments.index("--recipe") + 1], overrides)


def write_printed(line: str) -> bool:
    """Do what `printf 'TEXT' > FILE` does in the present directory; whether the line is one."""
    program, *words = shlex.split(line)
    if program != "printf":
        return False
    content, arrow, name = words
    assert arrow == ">"
    escaped = content.replace("\\n", "\n").replace("\\t", "\t")
    Path(name).write_text(escaped, encoding="utf-8")
    return True
