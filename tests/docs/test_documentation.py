"""What the documentation shows is run: examples, commands, settings."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import pytest
import torch
import yaml
from typer.main import get_command

from cases import all_cases
from documented_commands import check_command
from places import ROOT
from tidemask import MaskingSettings, load_recipe
from tidemask.cli import app as cli
from tidemask.masking.sequence_ratio import Same
from tidemask.runs.config import recipe_names
from tidemask.runs.config_problems import CHOICES

README = (ROOT / "README.md").read_text(encoding="utf-8")
METHODS = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("docs/methods/*.md")}
CARDS = sorted(METHODS.keys() - {"README.md"})
HEADINGS = ["What it does", "Formula", "How to use", "Suggested settings", "Settings", "Costs"]
HEADINGS += ["What is known", "Source"]


def _blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_documentation_python_in_the_readme() -> None:
    names: dict[str, Any] = {}
    for block in _blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    masked = names["masked"]
    expected = load_recipe("mrd-cosine").masking.ratio(0.1)
    assert float(masked.selected.float().mean()) == pytest.approx(expected, abs=0.06)
    assert {"input_ids", "labels"} == names["inputs"].keys()
    assert names["collator"].clock.steps_done == 2


def test_documentation_commands_in_the_readme_exist() -> None:
    group: Any = get_command(cli.app)
    used = set(re.findall(r"^ +tidemask ([a-z]+)", README, flags=re.MULTILINE))
    assert {"prepare", "pretrain", "resume", "evaluate", "compare", "preview"} <= used
    for name in used:
        options = {o for p in group.commands[name].params for o in p.opts}
        for line in re.findall(rf"^ +tidemask {name} .*$", README, flags=re.MULTILINE):
            assert set(re.findall(r" (--[a-z-]+)", line)) <= options, line


def test_documentation_recipe_in_the_readme_is_one(tmp_path: Path) -> None:
    indented = re.search(r"    masking:\n(?:    .*\n)+", README)
    assert indented is not None
    path = tmp_path / "readme.yaml"
    path.write_text(re.sub(r"^    ", "", indented.group(), flags=re.MULTILINE))
    assert yaml.safe_load(path.read_text()).keys() == {"masking", "model", "training"}
    assert load_recipe(path).masking == load_recipe("ptw-mrd").masking


@all_cases("card", CARDS)
def test_documentation_cards_have_the_same_parts(card: str) -> None:
    headings = re.findall(r"^## (.*)$", METHODS[card], flags=re.MULTILINE)
    assert [name for name in headings if name in HEADINGS] == HEADINGS
    assert _blocks("python", METHODS[card])
    assert _blocks("sh", METHODS[card]) or "weight_of" in METHODS[card]


@pytest.mark.parametrize("card", CARDS)
def test_documentation_python_in_the_cards(card: str) -> None:
    torch.manual_seed(0)
    names: dict[str, object] = {}
    for block in _blocks("python", METHODS[card]):
        exec(compile(block, card, "exec"), names)


YAML_BLOCKS = [(card, block) for card in CARDS for block in _blocks("yaml", METHODS[card])]


@all_cases(("card", "block"), YAML_BLOCKS)
def test_documentation_yaml_in_the_cards_is_a_recipe(card: str, block: str, tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(block, encoding="utf-8")
    assert yaml.safe_load(block).keys() == {"masking"}
    masking = load_recipe(path).masking
    assert [masking.ratio(s) for s in (0.0, 1.0)] == pytest.approx([0.15, 0.15], abs=0.36)


COMMANDS = [
    (card, line)
    for card in CARDS
    for block in _blocks("sh", METHODS[card])
    for line in block.splitlines()
]


@pytest.mark.slow
@all_cases(("card", "line"), COMMANDS)
def test_documentation_commands_in_the_cards(card: str, line: str) -> None:
    """Commands and options exist, and the settings fit their recipe."""
    check_command(line)


class Row(NamedTuple):
    """A line of a table of settings."""

    card: str
    setting: str
    choice: str
    default: str
    range: str


def _rows() -> Iterator[Row]:
    for card in CARDS:
        cells = r"^\| `(masking[\w.]*)`(?: of `(\w+)`)? \|.*?\|.*?\| (.*?) \| (.*?) \|$"
        for found in re.finditer(cells, METHODS[card], flags=re.MULTILINE):
            yield Row(card, *(group or "" for group in found.groups()))


ROWS = list(_rows())


def _members(hint: Any) -> list[type]:
    """The settings that a value of this type may be, or be a list of."""
    if dataclasses.is_dataclass(hint):
        return [hint]
    return [member for argument in get_args(hint) for member in _members(argument)]


def _tag(section: type) -> str:
    """By which name a section is chosen."""
    tags = [f.default for f in dataclasses.fields(section) if f.name in CHOICES]
    return tags[0] if tags else ""


def _documented(row: Row) -> tuple[type, str]:
    """The settings and the field that a row is about."""
    section: type = MaskingSettings
    *sections, name = row.setting.split(".")[1:]
    for step, inner in zip(sections, [*sections[1:], None], strict=False):
        known = _members(get_type_hints(section)[step])
        chosen = [kind for kind in known if len(known) == 1 or _tag(kind) == row.choice]
        # Several weightings have maps: each of them has the same ones.
        section, *_ = chosen or [kind for kind in known if inner in get_type_hints(kind)]
    assert name in get_type_hints(section), row.setting
    return section, name


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=dataclasses.asdict))


@all_cases("row", ROWS, ids=lambda row: f"{row.card}:{row.setting}:{row.choice}")
def test_documentation_settings_of_the_cards_exist(row: Row) -> None:
    section, name = _documented(row)
    (field,) = [field for field in dataclasses.fields(section) if field.name == name]
    if row.default == "required":
        assert field.default is field.default_factory is dataclasses.MISSING
        return
    default = field.default
    if default is dataclasses.MISSING:
        default = field.default_factory()
    assert yaml.safe_load(row.default.strip("`")) == _plain(default)
    choices = re.match(r"one of (.*)", row.range)
    if choices:
        assert re.findall(r"`(\w+)`", choices[1]) == list(get_args(get_type_hints(section)[name]))


NEEDED: dict[str, dict[str, Any]] = {
    "ByTable": {"weights": {"NOUN": 1.0}},
    "ByColumn": {"column": "scores"},
    "ByEntries": {"weights": "weights.tsv"},
    "RatioPart": {"share": 1.0, "of": Same()},
    "ByClassStatistic": {"statistic": "loss"},
}


@all_cases(
    "row",
    [row for row in ROWS if re.match(r"[\[(]\d|at least \d|above \d", row.range)],
    ids=lambda row: f"{row.card}:{row.setting}:{row.choice}",
)
def test_documentation_ranges_of_the_cards_hold(row: Row) -> None:
    section, name = _documented(row)
    if row.default == "required":
        return  # cannot be built alone; tests/masking holds these
    needed = NEEDED.get(section.__name__, {})
    hint = get_type_hints(section)[name]
    inside, outside = _around(row.range, 1 if int in (hint, *get_args(hint)) else 1e-6)
    for value in outside:
        with pytest.raises(ValueError, match="Expected"):
            section(**{**needed, name: value})
    if section.__name__ == "Corruption":
        return  # the other shares would have to follow
    for value in inside:
        section(**{**needed, name: value})


def _around(text: str, step: float) -> tuple[list[float], list[float]]:
    """Numbers just inside and just outside a range."""
    if bound := re.match(r"(at least|above) ([\d.]+)", text):
        low = type(step)(bound[2])
        return ([low, low + 9], [low - step]) if bound[1] == "at least" else ([low + step], [low])
    found = re.match(r"([\[(])([\d.]+), ([\d.]+)([\])])", text)
    assert found, text
    low, high = float(found[2]), float(found[3])
    inside = [low if found[1] == "[" else low + step, high if found[4] == "]" else high - step]
    outside = [low - step if found[1] == "[" else low, high + step if found[4] == "]" else high]
    return inside, outside


def test_documentation_cards_have_every_setting() -> None:
    documented = {_documented(row) for row in ROWS}
    left: list[type] = [MaskingSettings]
    missing = set()
    seen = set()
    while left:
        section = left.pop()
        seen.add(section)
        for name, hint in get_type_hints(section).items():
            members = _members(hint)
            left += [member for member in members if member not in seen]
            in_sections = members and section is MaskingSettings and name != "prediction"
            if not (in_sections or name in CHOICES or name.startswith("__")):
                missing |= {(section, name)} - documented
    assert not missing


def test_documentation_index_of_methods_is_complete() -> None:
    index = METHODS["README.md"]
    assert sorted(set(re.findall(r"\]\(([\w-]+\.md)\)", index))) == CARDS
    rows = re.findall(r"^\| \[.*\|(.*)\|$", index, flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == set(recipe_names())


@all_cases("card", sorted(METHODS))
def test_documentation_links_and_tests_of_the_cards_exist(card: str) -> None:
    for name, anchor in re.findall(r"\]\(([\w-]+\.md)(?:#([\w-]+))?\)", METHODS[card]):
        assert name in METHODS
        heading = anchor.replace("-", " ").capitalize()
        assert not anchor or f"\n## {heading}\n" in METHODS[name]
    for name in re.findall(r"`(tests/[\w/]+\.py)", METHODS[card]):
        assert (ROOT / name).is_file(), name
