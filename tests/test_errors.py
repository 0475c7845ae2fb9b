"""Hints and lines that every message shares."""

from tidemask.errors import did_you_mean, one_line


def test_errors_hint_names_the_nearest():
    assert did_you_mean("colla", ["sst2", "cola"]) == " Did you mean cola?"
    assert did_you_mean(12, ["sst2", "cola"]) == ""
    assert did_you_mean("cola", []) == ""


def test_errors_of_libraries_take_one_line():
    assert one_line(ValueError("a\n  b\tc")) == "a b c"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(ValueError("It ends.")) == "It ends"
    long = one_line(ValueError("see https://hub.example/a/long/place " * 30))
    assert len(long) < 205
    assert long.endswith(" see ...")
