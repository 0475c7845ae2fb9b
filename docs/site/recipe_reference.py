"""The page of recipes: each with what it does, its source, its deviations and its masking."""

from __future__ import annotations

from importlib import resources

from reference_text import code, markdown, table
from tidemask.masking.schedule import mean_ratio
from tidemask.runs.config import load_recipe, recipe_names


def recipe_reference() -> str:
    """A table of all recipes, then a section for each with its file."""
    rows = []
    sections = []
    for name in recipe_names():
        recipe = load_recipe(name)
        ratio = recipe.masking.ratio
        numbers = [f"{100 * value:.0f} %" for value in (ratio(0.0), ratio(1.0), mean_ratio(ratio))]
        rows.append([f"[{name}](#{name})", markdown(recipe.summary), *numbers])
        sections.append(f"## {name}\n\n{_said(name)}```yaml\n{_settings(name)}```\n\n")
    return table(["recipe", "what it does", "start", "end", "mean"], rows) + "".join(sections)


def _said(name: str) -> str:
    recipe = load_recipe(name)
    source = f"Source: {markdown(recipe.source)}\n\n" if recipe.source else ""
    deviations = f"Deviations: {markdown(recipe.deviations)}\n\n" if recipe.deviations else ""
    columns = recipe.columns.items()
    commands = [f"tidemask annotate corpus --column {made} {options}" for made, options in columns]
    commands.append(f"tidemask pretrain corpus --out runs/{name} --recipe {name}")
    use = "\n\n".join(code(command) for command in commands)
    return f"{markdown(recipe.summary)}\n\n{source}{deviations}{use}\n\n"


def _settings(name: str) -> str:
    """The file without what is said above it."""
    path = resources.files("tidemask") / "recipes" / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    return text[text.index("masking:") :]
