"""Reproduces an earlier training from its files: `luthier train --from RUN`. No TensorFlow here.

run.json names the data, the family and the synth; operative_config.gin, which holds every parameter that was in force,
defaults included, is the configuration. Later changes of presets have no effect on it.

The file is untrusted (contract 3.5). Allowed are bindings of parameters that our own gin files bind, references to what
they refer to, and the defaults of ddsp's configurables that the models call; no import, no include.
"""

from __future__ import annotations

import tokenize
from dataclasses import dataclass
from typing import Any

from gin import config_parser

from components import storage
from components.artifacts.run_record import RunRecord
from components.artifacts.training_dir import TrainingDir
from components.config.catalog import all_gin_files
from components.core.errors import InputError
from components.nsynth.sorted_set import SortedSet

# Configurables of ddsp that the models call and no gin file of ours binds: an operative configuration has them as well.
_DDSP_DEFAULTS = ("exp_sigmoid", "frequencies_sigmoid", "oscillator_bank", "run_dag", "ProcessorGroup", "Autoencoder")


@dataclass(frozen=True)
class EarlierTraining:
    """An earlier training.

    Attributes:
        uri: Its directory.
        record: Its run record.
        config: Its operative configuration.
    """

    uri: str
    record: RunRecord
    config: str

    @classmethod
    def read(cls, uri: str) -> EarlierTraining:
        """Reads a training directory, local or gs://.

        Raises:
            InputError: There is no training, or its configuration is not one of ours.
        """
        training_dir = TrainingDir(uri)
        config_uri = training_dir.config_uri
        for needed in (training_dir.record_uri, config_uri):
            if not storage.exists(needed):
                raise InputError(f"there is no training at '{uri}': got no {storage.basename(needed)} there")
        record = RunRecord.read(training_dir.record_uri)
        config = storage.read_bytes(config_uri).decode()
        _check(config, config_uri)
        return cls(uri, record, config)

    def open_data(self, data_uri: str | None) -> SortedSet:
        """Opens the sorted set it was trained on: at the URI in run.json, or at `data_uri` if it has moved.

        Raises:
            InputError: There is no sorted set, or another one.
        """
        data = SortedSet.open(data_uri or self.record.data_uri)
        found, expected = data.family_fingerprint(self.record.family), self.record.data_fingerprint
        if found != expected:
            raise InputError(
                f"'{data.uri}' is not the data of '{self.uri}': its fingerprint is {found}, expected {expected}; "
                "name its URI with --data"
            )
        return data

    def new_record(self, data: SortedSet) -> RunRecord:
        """Returns the record of the new training."""
        found = self.record
        return RunRecord.begin(
            data,
            found.family,
            found.synth,
            found.preset,
            found.bindings,
            config=self.config,
            warm_start=found.warm_start,
            reproduced_from=self.uri,
        )


class _References(config_parser.ParserDelegate):  # type: ignore[misc]
    """Collects what a configuration refers to."""

    def __init__(self) -> None:
        self.referred: set[str] = set()

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> Any:
        self.referred.add(_plain(scoped_configurable_name))

    def macro(self, macro_name: str) -> Any:
        return None


def _plain(name: str) -> str:
    """Returns a configurable's own name: "Harmonic" of "synths.Harmonic" and of "luthier.Harmonic"."""
    return name.rpartition("/")[2].rpartition(".")[2]


def _names(config: str) -> tuple[set[str], set[str]]:
    """Returns the configurables that a configuration binds and those that it refers to, by their own names.

    Raises:
        InputError: It has statements other than bindings.
    """
    references, bound = _References(), set()
    for statement in config_parser.ConfigParser(config, references):
        if not isinstance(statement, config_parser.BindingStatement):
            kind = type(statement).__name__.removesuffix("Statement").removesuffix("Declaration").lower()
            if kind == "block":
                continue
            raise InputError(f"got an {kind} statement, expected only bindings")
        if statement.arg_name:
            bound.add(_plain(statement.selector))
    return bound, references.referred


def _check(config: str, uri: str) -> None:
    bound, referred = set(_DDSP_DEFAULTS), set[str]()
    for path in all_gin_files():
        more_bound, more_referred = _names(path.read_text())
        bound, referred = bound | more_bound, referred | more_referred
    try:
        found_bound, found_referred = _names(config)
    except InputError as error:
        raise InputError(f"'{uri}' is refused: {error}") from None
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        raise InputError(f"'{uri}' cannot be read: {str(error).splitlines()[0]}") from None
    for name in sorted(found_referred - referred):
        raise InputError(f"'{uri}' is refused: got the reference @{name}, which no model of Luthier uses")
    for name in sorted(found_bound - bound - referred):
        raise InputError(f"'{uri}' is refused: '{name}' is not a configurable of Luthier")
