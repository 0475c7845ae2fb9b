"""Settings and records, read strictly: what is damaged or ambiguous is refused by its place."""

from tidemask.reading.bounds import (
    ANY_LENGTH,
    MAX_INDEX_BYTES,
    MAX_LIST_BYTES,
    MAX_SEAL_BYTES,
    MAX_TOKENIZER_BYTES,
    MAX_YAML_BYTES,
)
from tidemask.reading.strict_yaml import dump_yaml, parse_yaml, read_yaml, shown_yaml
from tidemask.reading.text import read_bytes, read_text, shown_json
from tidemask.reading.typed_json import parse_json, read_json

__all__ = [
    "ANY_LENGTH",
    "MAX_INDEX_BYTES",
    "MAX_LIST_BYTES",
    "MAX_SEAL_BYTES",
    "MAX_TOKENIZER_BYTES",
    "MAX_YAML_BYTES",
    "dump_yaml",
    "parse_json",
    "parse_yaml",
    "read_bytes",
    "read_json",
    "read_text",
    "read_yaml",
    "shown_json",
    "shown_yaml",
]
