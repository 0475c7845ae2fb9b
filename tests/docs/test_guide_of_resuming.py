"""The guide on stopping and continuing: its command parses, its job script does what it says."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from child_processes import HUNG_SECONDS, ended
from held_run import HeldRun
from places import ROOT
from small_runs import TINY, warm_command
from tidemask.cli import app as cli
from tidemask.run_record import RunDirectory

GUIDE = ROOT / "docs" / "guides" / "resume.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def test_resume_guide_commands_exist() -> None:
    group: Any = get_command(cli.app)
    lines = re.findall(r"^ *(tidemask .*?)&?$", TEXT, flags=re.MULTILINE)
    assert lines
    for line in lines:
        _, name, *arguments = shlex.split(line)
        group.commands[name].make_context(name, arguments)


def test_resume_guide_names_tests_and_scripts_that_exist() -> None:
    assert (ROOT / "benchmarks/reliability/kills.py").is_file()
    names = re.findall(r"test_\w+\.py", TEXT)
    assert len(names) >= 5
    assert all(list((ROOT / "tests").rglob(name)) for name in names)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a script of bash")
def test_resume_guide_job_goes_back_into_the_queue_until_it_is_finished(
    corpus: Path, tmp_path: Path
) -> None:
    """The script itself, with a `scontrol` that writes down its arguments."""
    block = re.search(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL)
    assert block is not None
    held = HeldRun(tmp_path / "held", 3)
    script = tmp_path / "job.sh"
    script.write_text(
        block.group(1)
        .replace("pretrain corpus", f"pretrain {shlex.quote(str(corpus))}")
        .replace("training.max_steps=200000", shlex.join(TINY))
    )
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, line in (
        ("tidemask", f'exec {shlex.join(warm_command(*held.program()))} "$@"'),
        ("scontrol", 'echo "$@" >> scontrol.txt'),
    ):
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    run = RunDirectory(tmp_path / "runs" / "ptw")
    variables = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "17",
        "OMP_NUM_THREADS": "1",
    }

    def submit() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", script], cwd=tmp_path, env=variables, start_new_session=True
        )

    job = submit()
    with ended(job):
        held.wait(job)
        job.send_signal(signal.SIGTERM)
        held.wait_for_signal(job, 0)
        held.go_on()
        assert job.wait(HUNG_SECONDS) == 0
    assert not run.model.exists()
    assert run.checkpoints()
    assert (tmp_path / "scontrol.txt").read_text() == "requeue 17\n"
    for _ in range(2):  # the second time it is finished already
        again = submit()
        with ended(again):
            assert again.wait(HUNG_SECONDS) == 0
        assert run.model.is_dir()
    assert (tmp_path / "scontrol.txt").read_text() == "requeue 17\n"
