"""Every gin parameter that a configuration may bind, with the values that it may have.

The numbers are bounds on what a model or a training costs, far beyond every sensible setting; a value within them that
makes no model is found where the model is built. Those of `train` and `gate` are in their own declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from components.config.domains import Domain, Each, Flag, Name, Nothing, OneOf, Real, Refers, Row, Whole
from components.config.gate import Gate
from components.config.settings import TrainSettings

PREFIX = "luthier."
_MOST_CHANNELS = 4_096  # of an output or a layer
_MOST_SAMPLES = 10_000_000  # ten minutes


def _of(settings: Any) -> dict[str, Domain]:
    """Returns the domains in the annotations of a dataclass, by field."""
    hints = get_type_hints(settings, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in fields(settings)}


def _spellings(module: str, *names: str) -> tuple[str, ...]:
    return tuple(spelling for name in names for spelling in (name, f"{module}.{name}"))


_SCALE = Refers(
    (
        *_spellings("core", "exp_sigmoid", "frequencies_critical_bands", "frequencies_sigmoid"),
        *_spellings("luthier", "quiet_exp_sigmoid", "unit_wavetable"),
    ),
    called=False,
    or_none=True,
)
_LAYERS = ("Harmonic", "Sinusoidal", "Wavetable", "FilteredNoise", "Reverb")
_PROCESSORS = Refers((*(f"{PREFIX}{name}" for name in _LAYERS), *_spellings("processors", "Add")))
_RESAMPLING = OneOf(("window", "linear", "cubic", "nearest"))
_TONE: dict[str, Domain] = {"n_samples": Whole(1, _MOST_SAMPLES), "sample_rate": Whole(1_000, 192_000), "name": Name()}
_WEIGHT, _HZ = Real(0, 1e6), Real(0, 96_000)

PARAMETERS: Mapping[str, Mapping[str, Domain]] = {
    "train": _of(TrainSettings),
    "gate": _of(Gate),
    "luthier.RnnFcDecoder": {
        "rnn_channels": Whole(1, 2_048),
        "rnn_type": OneOf(("gru", "lstm")),
        "ch": Whole(1, 2_048),
        "layers_per_stack": Whole(1, 8),
        "stateless": Flag(),
        "input_keys": Each(OneOf(("ld_scaled", "f0_scaled", "pw_scaled", "z", "f0_hz", "loudness_db", "pw_db")), 1, 4),
        "output_splits": Each(Row((Name(), Whole(1, _MOST_CHANNELS))), 1, 8),
    },
    "luthier.Harmonic": {
        **_TONE,
        "scale_fn": _SCALE,
        "normalize_below_nyquist": Flag(),
        "amp_resample_method": _RESAMPLING,
        "use_angular_cumsum": Flag(),
    },
    "luthier.Sinusoidal": {
        **_TONE,
        "amp_scale_fn": _SCALE,
        "amp_resample_method": _RESAMPLING,
        "freq_scale_fn": _SCALE,
        "pull": Real(0, 1),
        "fade": Real(0, 100),
        "pull_power": Whole(1, 64),
        "reach": Real(0, 64),
    },
    "luthier.Wavetable": {
        **_TONE,
        "scale_fn": _SCALE,
        "table_scale_fn": _SCALE,
        "tables": Whole(0, 512),
        "points": Whole(4, 2_048),
        "band_limited": Flag(),
    },
    "luthier.FilteredNoise": {
        "n_samples": Whole(1, _MOST_SAMPLES),
        "window_size": Whole(0, 2 * _MOST_CHANNELS),
        "scale_fn": _SCALE,
        "initial_bias": Real(-100, 100),
        "name": Name(),
    },
    "luthier.Reverb": {"seconds": Real(0, 10), "decay_s": Real(0, 60, above=True), "name": Name()},
    "luthier.SpectralLoss": {
        "fft_sizes": Each(Whole(16, 16_384, step=4), 1, 16),
        "loss_type": OneOf(("L1", "L2", "COSINE", "l1", "l2", "cosine")),
        "mag_weight": _WEIGHT,
        "delta_time_weight": _WEIGHT,
        "delta_freq_weight": _WEIGHT,
        "cumsum_freq_weight": _WEIGHT,
        "logmag_weight": _WEIGHT,
        "loudness_weight": _WEIGHT,
        "level_weight": _WEIGHT,
        "name": Name(),
    },
    "luthier.quiet_exp_sigmoid": {"initial_bias": Real(-100, 100)},
    "luthier.unit_wavetable": {},
    "luthier.PowerPreprocessor": {"frame_rate": Whole(5, 250)},
    "preprocessing.F0LoudnessPreprocessor": {
        "time_steps": Whole(1, _MOST_SAMPLES),
        "frame_rate": Whole(1, 16_000),
        "sample_rate": Whole(1_000, 192_000),
        "compute_loudness": Flag(),
    },
    "Autoencoder": {
        "preprocessor": Refers(
            (
                *_spellings("preprocessing", "F0LoudnessPreprocessor"),
                *_spellings("luthier", "PowerPreprocessor"),
            )
        ),
        "encoder": Nothing(),
        "decoder": Refers(("luthier.RnnFcDecoder",)),
        "processor_group": Refers(_spellings("processors", "ProcessorGroup")),
        "losses": Each(Refers(("luthier.SpectralLoss",)), 1, 4),
    },
    "processors.ProcessorGroup": {"dag": Each(Row((_PROCESSORS, Each(Name(), 1, 4))), 1, 8)},
    "processors.Add": {"name": Name()},
    "core.exp_sigmoid": {
        "exponent": Real(0, 1e6, above=True),
        "max_value": Real(0, 1e6, above=True),
        "threshold": Real(0, 1),
    },
    "core.frequencies_sigmoid": {"depth": Whole(1, 64), "hz_min": _HZ, "hz_max": _HZ},
    "core.frequencies_critical_bands": {
        "depth": Whole(1, 64),
        "depth_scale": Real(0, 1e6, above=True),
        "bandwidth_scale": Real(0, 1e6, above=True),
        "hz_min": _HZ,
        "hz_max": _HZ,
        "scale": OneOf(("bark",)),  # ddsp 3.7 fails with "mel"
    },
    "core.oscillator_bank": {
        "sample_rate": Whole(1_000, 192_000),
        "sum_sinusoids": Flag(),
        "use_angular_cumsum": Flag(),
    },
    "run_dag": {"verbose": Flag()},
}
"""The parameters of each configurable, by its name as Luthier writes it."""

# The layers that share their name with ddsp's: without the prefix, gin calls the name ambiguous.
REPLACED = ("FilteredNoise", "Harmonic", "Reverb", "RnnFcDecoder", "Sinusoidal", "SpectralLoss", "Wavetable")

MACROS: Mapping[str, Domain] = {
    **dict.fromkeys(("HARMONICS", "NOISE_MAGNITUDES", "SINUSOIDS", "WAVETABLE_POINTS", "WAVETABLES"), Whole(1, 2_048)),
    "AUGMENT_GAIN_DB": Real(0, 60),
    "AUGMENT_SEMITONES": Real(0, 12),
}
"""The macros that a configuration may define and use."""


def domains_of(configurable: str) -> Mapping[str, Domain] | None:
    """Returns a configurable's parameters; None where no configuration may bind it.

    Args:
        configurable: As gin reads it: the name as Luthier writes it, or without its module where that is unambiguous.
    """
    return _BY_SPELLING.get(configurable)


def _by_spelling() -> dict[str, Mapping[str, Domain]]:
    found = dict(PARAMETERS)
    for name, parameters in PARAMETERS.items():
        bare = name.rpartition(".")[2]
        if bare not in REPLACED:
            found[bare] = parameters
    return found


_BY_SPELLING = _by_spelling()
