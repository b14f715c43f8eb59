"""Checks gin bindings and configurations from untrusted sources before gin reads them.

gin can import modules, include files and call any registered function. A binding from outside (`--set`, a pipeline's
form) must be `configurable.parameter = literal`, for a configurable that this package's own gin files bind. The
configuration of a model or an earlier training may also define macros and refer to functions, but only to those that
models of Luthier have. In both, `parameters` says which parameters there are, and which values they may have.

Some layers of Luthier replace ddsp's layers of the same name. Users write ddsp's name: `Harmonic` means
`luthier.Harmonic`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any

from components import storage
from components.config.catalog import GATE_GIN, all_gin_files
from components.config.domains import shown
from components.config.gate import Gate
from components.config.gin_text import LONGEST_TEXT, Binding, GinSyntaxError, Macro, parse
from components.config.parameters import MACROS, PREFIX, REPLACED, domains_of
from components.core.errors import InputError, nearest
from components.core.text import counted

_REPLACED = re.compile(rf"(?<![\w.])(?:decoders\.|losses\.|synths\.)?({'|'.join(REPLACED)})(?=\.\w|\(\))")
_EXPECTED = "expected one `configurable.parameter = literal`, such as `train.max_steps = 400`"
_SHOWN = 100  # characters of a binding in a message


@functools.cache
def known_configurables() -> tuple[str, ...]:
    """Returns the names of the configurables that the package's gin files bind, sorted, for instance "Harmonic"."""
    texts = [parse(path.read_text()) for path in all_gin_files()]
    return tuple(sorted({each.configurable for text in texts for each in text.bindings if each.parameter}))


def check_bindings(bindings: Iterable[str]) -> None:
    """Checks gin bindings from an untrusted source.

    Args:
        bindings: One binding each, for instance "train.max_steps = 400".

    Raises:
        InputError: A binding is not `configurable.parameter = literal` with a parameter of Luthier and a value that it
            may have; the message says which part is wrong.
    """
    for binding in bindings:
        read_binding(binding)


def read_binding(binding: str) -> Binding:
    """Parses and checks one binding; see `check_bindings`."""
    text_shown = binding if len(binding) <= _SHOWN else f"{binding[:_SHOWN]}..."
    try:
        text = parse(binding)
    except GinSyntaxError as error:
        raise InputError(f"binding '{text_shown}' cannot be read ({error}): {_EXPECTED}") from None
    refused = f"binding '{text_shown}' is refused"
    for macro in text.macros:
        raise InputError(f"{refused}: got the macro {macro}, expected a literal value")
    for reference in text.references:
        raise InputError(f"{refused}: got the reference {reference}, expected a literal value")
    if len(text.kinds) != 1:
        raise InputError(f"{refused}: got {counted(len(text.kinds), 'statement')}, {_EXPECTED}")
    if not text.bindings:
        raise InputError(f"{refused}: got an {text.kinds[0]} statement, {_EXPECTED}")
    found = text.bindings[0]
    if found.scope:
        raise InputError(f"{refused}: got the scope '{found.scope[:_SHOWN]}', {_EXPECTED}")
    if not found.parameter:
        raise InputError(f"{refused}: got the macro '{found.configurable[:_SHOWN]}', {_EXPECTED}")
    known = {found.configurable, PREFIX + found.configurable} & set(known_configurables())
    if not known:
        hint = nearest(found.configurable, known_configurables())
        raise InputError(f"{refused}: '{found.configurable[:_SHOWN]}' cannot be configured; {hint}")
    _check_value(found, known.pop(), found.value, refused)
    return found


def check_configuration(config: str, uri: str) -> None:
    """Checks the whole configuration of a model or a training, which may come from an untrusted source.

    Args:
        config: The configuration; of its layers, those that `with_our_layers` replaces are checked as replaced.
        uri: Where it was read, for the message.

    Raises:
        InputError: It holds anything but bindings of Luthier's parameters with values that they may have: literals,
            known macros, and references to what models of Luthier have.
    """
    _check_configuration(with_our_layers(config), uri)


@functools.lru_cache(maxsize=32)
def _check_configuration(config: str, uri: str) -> None:
    try:
        found = parse(config)
    except GinSyntaxError as error:
        raise InputError(f"'{uri}' cannot be read: {error}") from None
    refused = f"'{uri}' is refused"
    for kind in found.kinds:
        if kind not in ("binding", "block"):
            raise InputError(f"{refused}: got an {kind} statement, expected bindings only")
    macros = _checked_macros(found.bindings, refused)
    for binding in found.bindings:
        if binding.parameter:
            if binding.scope:
                raise InputError(f"{refused}: got the scope '{binding.scope[:_SHOWN]}', expected none")
            _check_value(binding, binding.configurable, _resolved(binding.value, macros, refused), refused)


def _checked_macros(bindings: Sequence[Binding], refused: str) -> dict[str, Any]:
    """Returns the values of the macros that a configuration defines."""
    found: dict[str, Any] = {}
    for each in bindings:
        if each.parameter:
            continue
        domain = MACROS.get(each.configurable) if not each.scope else None
        if domain is None:
            raise InputError(f"{refused}: got the macro '{each.name[:_SHOWN]}', {nearest(each.configurable, MACROS)}")
        if not domain.accepts(each.value):
            raise InputError(f"{refused}: {each.name} is {shown(each.value)}: expected {domain.expected}")
        found[each.configurable] = each.value
    return found


def _resolved(value: Any, macros: dict[str, Any], refused: str) -> Any:
    """Returns a value with the values of its macros."""
    if isinstance(value, Macro):
        if value[1:] not in macros:
            raise InputError(f"{refused}: got the macro {shown(value)}, which it does not define")
        return macros[value[1:]]
    if isinstance(value, list | tuple):
        return type(value)(_resolved(each, macros, refused) for each in value)
    return value


def _check_value(binding: Binding, configurable: str, value: Any, refused: str) -> None:
    parameters = domains_of(configurable)
    if parameters is None:
        raise InputError(f"{refused}: '{binding.configurable[:_SHOWN]}' cannot be configured")
    domain = parameters.get(binding.parameter)
    if domain is None:
        hint = nearest(binding.parameter, parameters) if parameters else "it has none"
        raise InputError(f"{refused}: {configurable} has no parameter '{binding.parameter[:_SHOWN]}'; {hint}")
    if not domain.accepts(value):
        raise InputError(f"{refused}: {binding.name[:_SHOWN]} is {shown(value)}: expected {domain.expected}")


def read_configuration(uri: str, original_uri: str = "") -> str:
    """Reads and checks the configuration of a model or an earlier training.

    Args:
        uri: The file.
        original_uri: For errors: the file that `uri` is a copy of; "" if it is none.

    Raises:
        InputError: There is none, it is too large or no text, or it is refused; see `check_configuration`.
    """
    config = with_our_layers(storage.read_text(uri, LONGEST_TEXT))
    check_configuration(config, original_uri or uri)
    return config


def of_training(bindings: Iterable[str]) -> list[str]:
    """Returns the bindings of models and their training: all but those of the gate."""
    return [binding for binding in bindings if not _is_of_gate(binding)]


def of_gate(bindings: Iterable[str]) -> list[str]:
    """Returns the bindings of the promotion gate, such as "gate.margin = 0.05"."""
    return [binding for binding in bindings if _is_of_gate(binding)]


def gate_of(bindings: Sequence[str] = ()) -> Gate:
    """Returns the gate of gate.gin with bindings on top of it.

    Args:
        bindings: Such as "gate.margin = 0.05"; untrusted.

    Raises:
        InputError: A binding is refused.
    """
    found = [*parse(GATE_GIN.read_text()).bindings, *map(read_binding, bindings)]
    for binding in found:
        if binding.configurable != "gate":
            raise InputError(
                f"the gate has no '{binding.name}'; {nearest(binding.parameter, domains_of('gate') or ())}"
            )
    return Gate(**{binding.parameter: binding.value for binding in found})


def with_our_layers(config: str) -> str:
    """Returns a configuration, or a binding, with the layers of Luthier in place of ddsp's of the same name.

    Both are registered, so `Harmonic.sample_rate = 16000` is ambiguous to gin. Users write that, and models that were
    saved before Luthier had layers of its own hold it; they load with the layers of Luthier.
    """
    return _REPLACED.sub(rf"{PREFIX}\1", config)


def _is_of_gate(binding: str) -> bool:
    return binding.lstrip().startswith("gate.")
