"""Gin bindings from outside (`--set`, a pipeline's form) are untrusted: read here before gin sees them. No TensorFlow.

gin can import modules, include files and call any registered function. From outside only
`configurable.parameter = literal` is let through, and only for configurables that this package's own gin files bind.
Layers of ours that stand in for ddsp's go by ddsp's name as well: `Harmonic` means `luthier.Harmonic`.
"""

from __future__ import annotations

import functools
import re
import tokenize
from collections.abc import Iterable
from typing import Any

from gin import config_parser

from components.config.catalog import all_gin_files
from components.core.errors import InputError, nearest

_PREFIX = "luthier."
_STOOD_IN_FOR = re.compile(
    r"(?<![\w.])(?:decoders\.|losses\.|synths\.)?(Harmonic|RnnFcDecoder|Sinusoidal|SpectralLoss)(?=\.\w|\(\))"
)


class _RefusedError(Exception):
    """A reference or macro was met while parsing; the text says which."""


class _NoReferences(config_parser.ParserDelegate):  # type: ignore[misc]
    """Lets gin's parser read literals and stops it at anything that stands for a function or another value."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> Any:
        raise _RefusedError(f"the reference @{scoped_configurable_name}{'()' if evaluate else ''}")

    def macro(self, macro_name: str) -> Any:
        raise _RefusedError(f"the macro %{macro_name}")


class _AnyReference(config_parser.ParserDelegate):  # type: ignore[misc]
    """Reads our own files, where references and macros are allowed and their values do not matter here."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> Any:
        return None

    def macro(self, macro_name: str) -> Any:
        return None


@functools.cache
def known_configurables() -> tuple[str, ...]:
    """Returns the names of the configurables that the package's gin files bind, sorted, for instance "Harmonic"."""
    names: set[str] = set()
    for path in all_gin_files():
        for statement in config_parser.ConfigParser(path.read_text(), _AnyReference()):
            if isinstance(statement, config_parser.BindingStatement) and statement.arg_name:
                names.add(statement.selector)
    return tuple(sorted(names))


def check_bindings(bindings: Iterable[str]) -> None:
    """Checks gin bindings from an untrusted source. Whether the parameter exists is found when gin parses them.

    Args:
        bindings: One binding each, for instance "train.max_steps = 400".

    Raises:
        InputError: Anything but `configurable.parameter = literal` with a configurable of our own; says which part.
    """
    for binding in bindings:
        _check(binding)


def literals(texts: Iterable[str]) -> dict[str, Any]:
    """Parses gin bindings of literals without gin's own configuration, which stays as it is.

    Args:
        texts: Gin files or bindings that `check_bindings` accepts, in order; a later value replaces an earlier one.

    Returns:
        The values: {"gate.margin": 0.01}.
    """
    return {
        f"{statement.selector}.{statement.arg_name}": statement.value
        for text in texts
        for statement in config_parser.ConfigParser(text, _NoReferences())
        if isinstance(statement, config_parser.BindingStatement)
    }


def of_training(bindings: Iterable[str]) -> list[str]:
    """Returns the bindings that are of models and their training."""
    return [binding for binding in bindings if not _is_of_gate(binding)]


def of_gate(bindings: Iterable[str]) -> list[str]:
    """Returns the bindings that are of the gate, which judges what has been trained: "gate.margin = 0.05"."""
    return [binding for binding in bindings if _is_of_gate(binding)]


def _is_of_gate(binding: str) -> bool:
    return binding.lstrip().startswith("gate.")


def with_our_layers(config: str) -> str:
    """Returns a configuration, or bindings, with our layers where ddsp's of the same name stand.

    Since there are both, `Harmonic.sample_rate = 16000` alone is ambiguous to gin. It is what users write, and what is
    in models that were saved before there were layers of our own: they play with ours as well.
    """
    return _STOOD_IN_FOR.sub(rf"{_PREFIX}\1", config)


def _check(binding: str) -> None:
    wanted = "expected one `configurable.parameter = literal`, such as `train.max_steps = 400`"
    try:
        statements = list(config_parser.ConfigParser(binding, _NoReferences()))
    except _RefusedError as refused:
        what = str(refused).split("\n")[0]  # gin adds the place
        raise InputError(f"binding '{binding}' is refused: got {what}, expected a literal value") from None
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        reason = str(error.args[0]).split("\n")[-1].strip()
        raise InputError(f"binding '{binding}' cannot be read ({reason}): {wanted}") from None
    if len(statements) != 1:
        raise InputError(f"binding '{binding}' is refused: got {len(statements)} statements, {wanted}")
    statement = statements[0]
    if not isinstance(statement, config_parser.BindingStatement):
        kind = type(statement).__name__.removesuffix("Statement").removesuffix("Declaration").lower()
        raise InputError(f"binding '{binding}' is refused: got an {kind} statement, {wanted}")
    if statement.scope:
        raise InputError(f"binding '{binding}' is refused: got the scope '{statement.scope}', {wanted}")
    if not statement.arg_name:
        raise InputError(f"binding '{binding}' is refused: got the macro '{statement.selector}', {wanted}")
    if not {statement.selector, _PREFIX + statement.selector} & set(known_configurables()):
        hint = nearest(statement.selector, known_configurables())
        raise InputError(f"binding '{binding}' is refused: '{statement.selector}' is not ours to configure; {hint}")
