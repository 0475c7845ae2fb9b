"""Settings and records, read strictly: what is damaged or ambiguous is refused by its place."""

from tidemask.reading.strict_yaml import dump_yaml, parse_yaml, read_yaml
from tidemask.reading.text import shown_json
from tidemask.reading.typed_json import parse_json, read_json

__all__ = ["dump_yaml", "parse_json", "parse_yaml", "read_json", "read_yaml", "shown_json"]
