"""The comparison of runs and of studies, whose settings are read as `resume` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.paths import PATHS, given_path, one_or_several
from tidemask.files.rewriting import check_own_or_new
from tidemask.report.compare import MARKER, Comparison, write_page
from tidemask.report.results.answers import check_baseline
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.naming import in_arms
from tidemask.report.results.read_runs import read_run, refuse_repeated
from tidemask.report.results.sources import ComparisonQuestion, RunSource
from tidemask.run_record import RunDirectory
from tidemask.runs.settings_check import check_run_settings
from tidemask.studies.attempts import read_attempts
from tidemask.studies.definition import StudyDefinition, read_study
from tidemask.studies.directory import StudyDirectory
from tidemask.studies.spending import unequal_spending
from tidemask.system_errors import named_causes


@named_causes("Compare fewer runs at once.")
def compare(
    runs: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    baseline: str | None = None,
    png: bool = False,
) -> Comparison:
    """Compare runs arm by arm, and write the page; a single run gives the report of that run.

    The same as `tidemask compare`. Runs whose settings differ in the seed alone are one arm. The
    directory of a study stands for its runs; its definition names arms, baseline, the measure that
    decides and the margin. Everything is written aside and moved into place at the end.

    Args:
        runs: directories of runs, finished or not, evaluated or not, and of studies.
        out: directory to be made, or written again where an earlier comparison made it.
        baseline: the arm that others are compared with; left out, that of the study, else the
            first.
        png: whether figures are written as PNG beside SVG.

    Raises:
        UserError: no run, a run twice, a directory that is not a run, no arm of that name, studies
            that were to answer different questions, or `out` is an occupied place; or the first
            run, whose arm is the baseline, has no logged step, a damaged file, or a run.yaml that
            is not whole or not what it was trained with. Any other such run, and each of a study,
            is left out, which the page and `left_out` say.

    Example:
        >>> import tidemask
        >>> tiny = ["model.size=bert-tiny", "training.max_steps=2", "training.micro_batch_size=4"]
        >>> for recipe in ("bert", "mrd-cosine"):
        ...     _ = tidemask.pretrain("corpus", out=recipe, recipe=recipe, overrides=tiny)
        >>> comparison = tidemask.compare(["bert", "mrd-cosine"], out="report")
        >>> comparison.page.name, comparison.summary.values("run")
        ('index.html', ...)
    """
    out = given_path(out, "out")
    check_own_or_new(out, MARKER)
    named = one_or_several(runs, "runs", PATHS, "a directory of a run or a study, or several")
    if not named:
        raise UserError("nothing to compare: no run was named. Name runs, studies or both.")
    directories = [given_path(path, "runs") for path in named]
    refuse_repeated(directories)
    found, left_out, question = runs_to_compare(directories)
    refuse_repeated([run.directory for run in found])
    named_arms = in_arms(found)
    if baseline is not None:
        check_baseline(named_arms, baseline)
        question = replace(question, baseline=baseline)
    return replace(write_page(named_arms, question, out=out, png=png), left_out=tuple(left_out))


def runs_to_compare(
    directories: Sequence[Path],
) -> tuple[list[ComparedRun], list[str], ComparisonQuestion]:
    """The runs that can be read, a sentence for each that cannot, and what they are to answer.

    Args:
        directories: of runs and studies.

    Raises:
        UserError: there is none, the first run cannot be read, or one of them has no run.yaml.
    """
    found: list[ComparedRun] = []
    left_out: list[str] = []
    question: ComparisonQuestion | None = None
    for directory in directories:
        study = StudyDirectory(directory)
        if study.definition.is_file():
            definition = read_study(study.definition)
            of_study, damaged, notes = _runs_of_study(study, definition)
            found += of_study
            left_out += damaged
            question = _both(question, _question(definition, notes), directory)
            continue
        run = _readable_run(RunSource(directory=directory))
        if isinstance(run, ComparedRun):
            found.append(run)
        elif not found or not RunDirectory(directory).config.is_file():
            raise run  # the first is the baseline, and a run has settings
        else:
            left_out.append(_left_out(directory, run))
    if not found:
        why = left_out[0] if left_out else "no run has logged a step. Wait until one has."
        raise UserError(f"nothing to compare: {why}")
    question = question or ComparisonQuestion()
    return found, left_out, replace(question, notes=(*left_out, *question.notes))


def _question(study: StudyDefinition, notes: Sequence[str]) -> ComparisonQuestion:
    return ComparisonQuestion(
        text=study.question,
        baseline=study.baseline,
        primary=study.primary,
        margin=study.margin,
        is_declared=True,
        notes=tuple(notes),
    )


def _both(
    before: ComparisonQuestion | None, after: ComparisonQuestion, directory: Path
) -> ComparisonQuestion:
    """What two studies are to answer, where it is the same.

    Raises:
        UserError: they are decided by different measures or margins.
    """
    if before is None:
        return after
    for name in ("primary", "margin"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            raise UserError(
                f"studies with different questions: {name}={new} in {directory}, {old} before. "
                "Compare them one by one."
            )
    return replace(before, notes=(*before.notes, *after.notes))


def _readable_run(source: RunSource) -> ComparedRun | UserError:
    """A run, whose settings are those that it was trained with; or what is wrong with it."""
    try:
        check_run_settings(RunDirectory(source.directory))
        return read_run(source)
    except UserError as error:
        return error


def _left_out(name: Path, error: UserError) -> str:
    return f"Left out: {name}, which cannot be read: {error}"


def _runs_of_study(
    study: StudyDirectory, definition: StudyDefinition
) -> tuple[list[ComparedRun], list[str], list[str]]:
    """The runs that have logged a step, a sentence for each that cannot be read, and others."""
    found, damaged = [], []
    waiting = 0
    for place, source in _sources(study, definition):
        run = RunDirectory(source.directory)
        if not run.metrics.is_file() or b"\n" not in run.metrics.read_bytes():
            waiting += 1
            continue
        read = _readable_run(source)
        if isinstance(read, ComparedRun):
            found.append(read)
        else:
            damaged.append(_left_out(place.relative_to("runs"), read))
    notes = []
    if waiting:
        runs = "1 run of the study has" if waiting == 1 else f"{waiting} runs of the study have"
        notes.append(f"{runs} not logged a step yet.")
    return found, damaged, [*notes, *unequal_spending(found, definition)]


def _sources(study: StudyDirectory, definition: StudyDefinition) -> list[tuple[Path, RunSource]]:
    """The runs that a study asks for, by their places in it, the baseline's first."""
    arms = sorted(definition.arms, key=lambda name: name != definition.baseline)
    places = [
        (corpus, arm, Path("runs", corpus, arm, f"seed-{seed}"))
        for corpus in definition.corpora
        for arm in arms
        for seed in definition.seeds
    ]
    return [
        (
            place,
            RunSource(
                directory=study.root / place,
                policy=arm,
                corpus=corpus or None,
                had_machine_alone=_had_machine_alone(study.attempts_at(place)),
            ),
        )
        for corpus, arm, place in places
    ]


def _had_machine_alone(attempts: Path) -> bool | None:
    """Whether no other run shared the machine in any attempt; `None` if it is not known."""
    try:
        jobs = [attempt.jobs for attempt in read_attempts(attempts) if attempt.event == "begin"]
    except UserError:  # `tidemask study` names the damage
        return None
    return all(number == 1 for number in jobs) if jobs else None
