"""A training again, from what an earlier one left: `luthier train --from RUN`. No TensorFlow here.

run.json tells the data, the family and the synth; operative_config.gin, which holds every parameter that was in force,
those of the preset and the defaults included, is the configuration. Later presets change nothing of it.

The file may come from anywhere. It is read with the eyes of contract 3.5: bindings of the kind that our own gin files
have, and references to what they refer to, or what ddsp's parts were given there by default; no import, no include.
"""

from __future__ import annotations

from dataclasses import dataclass

from components import storage
from components.artifacts.run_record import RunRecord
from components.artifacts.training_dir import TrainingDir
from components.config.bindings import check_configuration
from components.core.errors import InputError
from components.nsynth.sorted_set import SortedSet


@dataclass(frozen=True)
class Origin:
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
    def read(cls, uri: str) -> Origin:
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
        check_configuration(config, config_uri)
        return cls(uri, record, config)

    def data(self, data_uri: str | None) -> SortedSet:
        """Opens the set it was trained on, at the address that run.json tells, or at `data_uri` where it moved to.

        Raises:
            InputError: There is no set, or another one.
        """
        data = SortedSet.open(data_uri or self.record.data_uri)
        found, expected = data.family_fingerprint(self.record.family), self.record.data_fingerprint
        if found != expected:
            raise InputError(
                f"'{data.uri}' is not the data of '{self.uri}': its fingerprint is {found}, expected {expected}; "
                "say with --data where that is"
            )
        return data

    def again(self, data: SortedSet) -> RunRecord:
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
