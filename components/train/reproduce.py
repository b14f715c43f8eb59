"""Reproduces an earlier training from its files: `luthier train --from RUN`.

run.json names the data, the family and the synth; operative_config.gin, which holds every parameter that was in force,
defaults included, is the configuration. Later changes of presets have no effect on it.

The file is untrusted: config/bindings.py says what it may hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from components import storage
from components.artifacts.run_record import RunRecord
from components.artifacts.training_dir import TrainingDir
from components.config.bindings import read_configuration
from components.core.errors import InputError
from components.nsynth.sorted_set import SortedSet


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
        return cls(uri, record, read_configuration(config_uri))

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
