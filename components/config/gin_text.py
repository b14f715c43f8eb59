"""Parses gin text without executing it: nothing is imported, included, called or configured.

This is the only parser of gin text in Luthier. Text from outside (`--set`, a pipeline's form, the configuration of an
earlier training) is parsed here and checked by `bindings` before gin itself sees it.
"""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from typing import Any

from gin import config_parser

from components.core.errors import InputError

LONGEST_TEXT = 200_000  # characters; an operative configuration has about 5,000
_MOST_LEVELS = 16  # of brackets
_MOST_PIECES = 256  # of a text in several literals, "a" "b": gin evaluates all of them again with each
_LONGEST_REASON = 100


class GinSyntaxError(InputError):
    """The text is not gin; the message is one line with the reason."""


class Reference(str):
    """A reference to a configurable, as written: "@core.exp_sigmoid", "@luthier.Harmonic()". No literal is one."""


class Macro(Reference):
    """A macro that a value uses, as written: "%HARMONICS". No literal is one."""


@dataclass(frozen=True)
class Binding:
    """One `scope/configurable.parameter = value`.

    Attributes:
        scope: The scope, empty as a rule.
        configurable: As written, for instance "luthier.Harmonic"; of a macro definition, the macro.
        parameter: The parameter's name; empty for a macro definition such as `HARMONICS = 60`.
        value: The literal. References and macros inside it are of the types Reference and Macro.
    """

    scope: str
    configurable: str
    parameter: str
    value: Any

    @property
    def name(self) -> str:
        """What stands to the left of the equals sign."""
        name = f"{self.configurable}.{self.parameter}" if self.parameter else self.configurable
        return f"{self.scope}/{name}" if self.scope else name


@dataclass(frozen=True)
class GinText:
    """Parsed gin text.

    Attributes:
        kinds: The kind of every statement, in order: "binding", "block" (the head of an indented block, whose bindings
            follow), "import" or "include".
        bindings: The bindings, in order.
        references: The references to configurables, as written: "@core.exp_sigmoid", "@luthier.Harmonic()".
        macros: The macros that values use, as written: "%HARMONICS".
    """

    kinds: tuple[str, ...]
    bindings: tuple[Binding, ...]
    references: tuple[str, ...]
    macros: tuple[str, ...]


class _AsWritten(config_parser.ParserDelegate):  # type: ignore[misc]  # gin has no type information
    """Keeps references and macros as text, so that parsing needs none of the configurables, and collects them."""

    def __init__(self) -> None:
        self.references: list[Reference] = []
        self.macros: list[Macro] = []

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> Reference:
        self.references.append(Reference(f"@{scoped_configurable_name}{'()' if evaluate else ''}"))
        return self.references[-1]

    def macro(self, macro_name: str) -> Macro:
        self.macros.append(Macro(f"%{macro_name}"))
        return self.macros[-1]


def parse(text: str) -> GinText:
    """Parses gin text.

    Raises:
        GinSyntaxError: The text is not gin, or it is longer, or nested deeper, than any configuration is.
    """
    if len(text) > LONGEST_TEXT:
        raise GinSyntaxError(f"it has {len(text):,} characters, expected {LONGEST_TEXT:,} at most")
    found = _AsWritten()
    try:
        _check_tokens(text)
        statements = list(config_parser.ConfigParser(text, found))
    except GinSyntaxError:
        raise
    except Exception as error:  # gin's parser fails on hostile text with nearly every type of exception
        raise GinSyntaxError(_reason(error)) from None
    bindings = tuple(
        Binding(each.scope, each.selector, each.arg_name, each.value)
        for each in statements
        if isinstance(each, config_parser.BindingStatement)
    )
    return GinText(tuple(map(_kind, statements)), bindings, tuple(found.references), tuple(found.macros))


def parameters(text: str) -> dict[str, str]:
    """Returns the bindings of gin text: {"train.max_steps": "400", "Autoencoder.decoder": "@luthier.RnnFcDecoder()"}.

    Raises:
        GinSyntaxError: The text is not gin.
    """
    return {binding.name: str(binding.value) for binding in parse(text).bindings}


def _check_tokens(text: str) -> None:
    """Refuses what gin's parser takes too long for, or calls itself too often, before it meets it."""
    levels = pieces = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        levels += (token.string in ("(", "[", "{")) - (token.string in (")", "]", "}"))
        if levels > _MOST_LEVELS:
            raise GinSyntaxError(f"it has more than {_MOST_LEVELS} nested brackets")
        if token.type == tokenize.STRING:
            pieces += 1
        elif token.type not in (tokenize.NL, tokenize.COMMENT):
            pieces = 0
        if pieces > _MOST_PIECES:
            raise GinSyntaxError(f"it has a text of more than {_MOST_PIECES} pieces; try one pair of quotes")


def _reason(error: Exception) -> str:
    """Returns an exception of gin's parser, or of Python's, as a short line."""
    if "nested parentheses" in str(error):  # of Python's tokenizer, before the count above
        return f"it has more than {_MOST_LEVELS} nested brackets"
    first = str(error.args[0]) if error.args else type(error).__name__
    text = re.sub(r"\s+", " ", first.strip().rpartition("\n")[2])
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def _kind(statement: Any) -> str:
    return type(statement).__name__.removesuffix("Statement").removesuffix("Declaration").lower()
