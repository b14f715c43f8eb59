"""Gin text is parsed without executing it, and the configuration of an earlier training is checked."""

from __future__ import annotations

import pytest

from components.config.bindings import check_configuration
from components.config.catalog import PRESETS, SYNTHS, gin_files
from components.config.gin_text import GinSyntaxError, parameters, parse
from components.core.errors import InputError
from tests.deadline import deadline

_TEXT = """
SIZE = 3
a.Layer.size = %SIZE
Group.layers = [@a.Layer(), 2]
scope/train.seed = 1
"""


def test_values_references_and_macros_stay_as_written():
    assert parameters(_TEXT) == {
        "SIZE": "3",
        "a.Layer.size": "%SIZE",
        "Group.layers": "['@a.Layer()', 2]",
        "scope/train.seed": "1",
    }
    found = parse(_TEXT)
    assert (found.references, found.macros, set(found.kinds)) == (("@a.Layer()",), ("%SIZE",), {"binding"})


def test_a_text_of_thousands_of_literals_is_refused_at_once():
    """gin's parser evaluates all of them again with each: minutes for a file of 200 kB."""
    for between in (" ", "\n", " # remark\n"):
        with deadline(2), pytest.raises(GinSyntaxError, match="a text of more than 256 pieces"):
            parse("train.seed = (" + f'"x"{between}' * 15_000 + ")")
    assert parse('a.b = ("x"\n"y")\n' * 200).bindings[199].value == "xy"


def test_statements_are_named_and_not_executed():
    assert parse("import not_there\ninclude 'not.there'").kinds == ("import", "include")
    with pytest.raises(GinSyntaxError):
        parse("train.seed =")


@pytest.mark.parametrize("synth", SYNTHS)
@pytest.mark.parametrize("preset", PRESETS)
def test_configurations_of_the_catalogue_pass(synth, preset):
    check_configuration("\n".join(path.read_text() for path in gin_files(synth, preset)), "run")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import os", "'run' is refused: got an import statement"),
        ("include 'other.gin'", "got an include statement"),
        ("Autoencoder.decoder = @os.system()", r"Autoencoder.decoder is @os.system\(\): expected one of @luthier"),
        ("tf.io.write_file.filename = 'x'", "'tf.io.write_file' cannot be configured"),
        ("train.seed =", "'run' cannot be read"),
    ],
)
def test_anything_else_is_refused(line, message):
    with pytest.raises(InputError, match=message):
        check_configuration(f"train.seed = 1\n{line}\n", "run")
