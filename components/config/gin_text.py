"""Parses gin text without executing it: nothing is imported, included, called or configured.

This is the only parser of gin text in Luthier. Text from outside (`--set`, a pipeline's form, the configuration of an
earlier training) is parsed here and checked by `bindings` before gin itself sees it.
"""

from __future__ import annotations

import tokenize
from dataclasses import dataclass
from typing import Any

from gin import config_parser


class GinSyntaxError(ValueError):
    """The text is not gin; the message is one line with the reason."""


@dataclass(frozen=True)
class Binding:
    """One `scope/configurable.parameter = value`.

    Attributes:
        scope: The scope, empty as a rule.
        configurable: As written, for instance "luthier.Harmonic"; of a macro definition, the macro.
        parameter: The parameter's name; empty for a macro definition such as `HARMONICS = 60`.
        value: The literal. References and macros inside it are text, such as "@core.exp_sigmoid" and "%HARMONICS".
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
        self.references: list[str] = []
        self.macros: list[str] = []

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> str:
        self.references.append(f"@{scoped_configurable_name}{'()' if evaluate else ''}")
        return self.references[-1]

    def macro(self, macro_name: str) -> str:
        self.macros.append(f"%{macro_name}")
        return self.macros[-1]


def parse(text: str) -> GinText:
    """Parses gin text.

    Raises:
        GinSyntaxError: The text is not gin.
    """
    found = _AsWritten()
    try:
        statements = list(config_parser.ConfigParser(text, found))
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        raise GinSyntaxError(str(error.args[0]).split("\n")[-1].strip()) from None
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


def _kind(statement: Any) -> str:
    return type(statement).__name__.removesuffix("Statement").removesuffix("Declaration").lower()
