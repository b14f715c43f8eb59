"""Checks gin bindings and configurations from untrusted sources before gin reads them.

gin can import modules, include files and call any registered function. A binding from outside (`--set`, a pipeline's
form) must be `configurable.parameter = literal`, for a configurable that this package's own gin files bind. The
configuration of an earlier training may also refer to functions, but only to those that models of Luthier have.

Some layers of Luthier replace ddsp's layers of the same name. Users write ddsp's name: `Harmonic` means
`luthier.Harmonic`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from components.config.catalog import all_gin_files
from components.config.gin_text import Binding, GinSyntaxError, GinText, parse
from components.core.errors import InputError, nearest

_PREFIX = "luthier."
_REPLACED = re.compile(
    r"(?<![\w.])(?:decoders\.|losses\.|synths\.)?(Harmonic|RnnFcDecoder|Sinusoidal|SpectralLoss)(?=\.\w|\(\))"
)
# Configurables of ddsp that the models call and no gin file of Luthier binds: gin records their defaults as well.
_DDSP_DEFAULTS = ("exp_sigmoid", "frequencies_sigmoid", "oscillator_bank", "run_dag", "ProcessorGroup", "Autoencoder")
_EXPECTED = "expected one `configurable.parameter = literal`, such as `train.max_steps = 400`"


@functools.cache
def known_configurables() -> tuple[str, ...]:
    """Returns the names of the configurables that the package's gin files bind, sorted, for instance "Harmonic"."""
    return tuple(sorted({each.configurable for text in _own_files() for each in text.bindings if each.parameter}))


def check_bindings(bindings: Iterable[str]) -> None:
    """Checks gin bindings from an untrusted source. A parameter that does not exist is found later, when gin parses.

    Args:
        bindings: One binding each, for instance "train.max_steps = 400".

    Raises:
        InputError: A binding is not `configurable.parameter = literal` with a configurable of Luthier; the message
            says which part is wrong.
    """
    for binding in bindings:
        read_binding(binding)


def read_binding(binding: str) -> Binding:
    """Parses and checks one binding; see `check_bindings`."""
    try:
        text = parse(binding)
    except GinSyntaxError as error:
        raise InputError(f"binding '{binding}' cannot be read ({error}): {_EXPECTED}") from None
    refused = f"binding '{binding}' is refused"
    for reference in text.references:
        raise InputError(f"{refused}: got the reference {reference}, expected a literal value")
    for macro in text.macros:
        raise InputError(f"{refused}: got the macro {macro}, expected a literal value")
    if len(text.kinds) != 1:
        raise InputError(f"{refused}: got {len(text.kinds)} statements, {_EXPECTED}")
    if not text.bindings:
        raise InputError(f"{refused}: got an {text.kinds[0]} statement, {_EXPECTED}")
    found = text.bindings[0]
    if found.scope:
        raise InputError(f"{refused}: got the scope '{found.scope}', {_EXPECTED}")
    if not found.parameter:
        raise InputError(f"{refused}: got the macro '{found.configurable}', {_EXPECTED}")
    if not {found.configurable, _PREFIX + found.configurable} & set(known_configurables()):
        hint = nearest(found.configurable, known_configurables())
        raise InputError(f"{refused}: '{found.configurable}' cannot be configured; {hint}")
    return found


def check_configuration(config: str, uri: str) -> None:
    """Checks the whole configuration of an earlier training, which may come from an untrusted source.

    It may bind what the package's gin files bind or refer to and the few configurables of ddsp whose defaults gin
    records, and it may refer to what those files refer to. Import and include statements are refused.

    Args:
        config: The operative configuration.
        uri: Where it was read, for the message.

    Raises:
        InputError: The configuration holds anything else.
    """
    bound, referred = {*_DDSP_DEFAULTS}, set[str]()
    for text in _own_files():
        bound, referred = bound | _bound(text), referred | _referred(text)
    try:
        found = parse(config)
    except GinSyntaxError as error:
        raise InputError(f"'{uri}' cannot be read: {error}") from None
    for kind in found.kinds:
        if kind not in ("binding", "block"):
            raise InputError(f"'{uri}' is refused: got an {kind} statement, expected bindings only")
    for name in sorted(_referred(found) - referred):
        raise InputError(f"'{uri}' is refused: got the reference @{name}, which no model of Luthier has")
    for name in sorted(_bound(found) - bound - referred):
        raise InputError(f"'{uri}' is refused: '{name}' cannot be configured")


def of_training(bindings: Iterable[str]) -> list[str]:
    """Returns the bindings of models and their training: all but those of the gate."""
    return [binding for binding in bindings if not _is_of_gate(binding)]


def of_gate(bindings: Iterable[str]) -> list[str]:
    """Returns the bindings of the promotion gate, such as "gate.margin = 0.05"."""
    return [binding for binding in bindings if _is_of_gate(binding)]


def with_our_layers(config: str) -> str:
    """Returns a configuration, or a binding, with the layers of Luthier in place of ddsp's of the same name.

    Both are registered, so `Harmonic.sample_rate = 16000` is ambiguous to gin. Users write that, and models that were
    saved before Luthier had layers of its own hold it; they load with the layers of Luthier.
    """
    return _REPLACED.sub(rf"{_PREFIX}\1", config)


def _is_of_gate(binding: str) -> bool:
    return binding.lstrip().startswith("gate.")


@functools.cache
def _own_files() -> tuple[GinText, ...]:
    return tuple(parse(path.read_text()) for path in all_gin_files())


def _bound(text: GinText) -> set[str]:
    """Returns the configurables that a text binds, without their modules."""
    return {_without_module(each.configurable) for each in text.bindings if each.parameter}


def _referred(text: GinText) -> set[str]:
    """Returns the configurables that a text refers to, without their modules."""
    return {_without_module(reference.removeprefix("@").removesuffix("()")) for reference in text.references}


def _without_module(name: str) -> str:
    """Returns a configurable's own name: "Harmonic" of "synths.Harmonic" and of "luthier.Harmonic"."""
    return name.rpartition("/")[2].rpartition(".")[2]
