"""A model in the words of the page: the layers of its network, the scale functions of its controls, its arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from components.artifacts.plain_expression import DEFAULT_LOUDNESS_DB, expression_of
from components.audio.loudness import LOUDNESS_DEFINITION, WINDOW_SAMPLES
from components.core.errors import InputError
from components.export.graphs import DEFAULT_PITCH_HZ, Graphs
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray
from components.synths import level
from components.synths.ddsp_imports import ddsp, gin
from components.synths.dictionary import amplitudes_of, partials_of
from components.synths.instrument import Instrument
from components.synths.network import ControlNetwork
from components.synths.scaling import quiet_exp_sigmoid

SCHEMA_VERSION = 3
_SILENCE_BELOW_SOFT_DB = 45.0  # where NSynth's sounding frames end, and a note as well
_INPUTS = ("ld_scaled", "pw_scaled", "f0_scaled")


def describe_model(graphs: Graphs) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """Returns the header of a model for the page, without the list of its arrays, and the arrays by name.

    Raises:
        InputError: The page cannot compute the model.
    """
    instrument, card = graphs.instrument, graphs.card
    network, decoder = ControlNetwork(instrument), instrument.model.decoder
    unknown = [name for name in decoder.input_keys if name not in _INPUTS]
    if unknown:
        raise _refused(f"the network's input '{unknown[0]}'", f"inputs of {', '.join(_INPUTS)}")
    pitch_hz, loudness_db = card.f0_hz or DEFAULT_PITCH_HZ, card.loudness_db or DEFAULT_LOUDNESS_DB
    with instrument.configured():
        tone, noise = _tone(card.synth, network), _noise(network.noise)
    header = {
        "schema": SCHEMA_VERSION,
        "name": f"{card.family}, {card.synth}",
        "family": card.family,
        "synth": card.synth,
        "preset": card.preset,
        "frame_rate_hz": graphs.frame_rate_hz,
        "loudness": instrument.loudness_definition,
        "f0_hz": pitch_hz.as_dict(),
        "loudness_db": loudness_db.as_dict(),
        "expression": expression_of(card).as_dict(),
        "silence_db": max(-80.0, loudness_db.p5 - _SILENCE_BELOW_SOFT_DB),
        "inputs": list(decoder.input_keys),
        "units": network.units,
        "epsilon": float(decoder.out_stack.layers[0].layers[1].epsilon),
        "stacks": [len(stack.layers) for stack in decoder.input_stacks],
        "out_layers": len(decoder.out_stack.layers),
        "outputs": [[name, int(size)] for name, size in decoder.output_splits],
        "tone_outputs": [name for name in network.tone_inputs if name != "f0_hz"],
        "tone": tone,
        "noise": noise,
        "level": _correction(instrument),
    }
    return header, {**_arrays(decoder), **_dictionary(network.tone), **_room(instrument)}


def _arrays(decoder: Any) -> dict[str, FloatArray]:
    stacks = {f"in{number}": stack for number, stack in enumerate(decoder.input_stacks)} | {"out": decoder.out_stack}
    arrays: dict[str, Any] = {}
    for stack_name, stack in stacks.items():
        for number, layer in enumerate(stack.layers):
            dense, norm, name = layer.layers[0], layer.layers[1], f"{stack_name}.{number}"
            arrays |= {f"{name}.weights": dense.kernel, f"{name}.bias": dense.bias}
            arrays |= {f"{name}.gamma": norm.gamma, f"{name}.beta": norm.beta}
    cell = decoder.rnn.rnn.cell
    arrays |= {"gru.input.weights": cell.kernel, "gru.input.bias": cell.bias[0]}
    arrays |= {"gru.state.weights": cell.recurrent_kernel, "gru.state.bias": cell.bias[1]}
    arrays |= {"last.weights": decoder.dense_out.kernel, "last.bias": decoder.dense_out.bias}
    # One row for each output, as the page reads them.
    return {name: np.ascontiguousarray(np.asarray(values, np.float32).T) for name, values in arrays.items()}


def _dictionary(layer: Any) -> dict[str, FloatArray]:
    """Returns the amplitudes of the sines and cosines of a wavetable dictionary, one table after the other."""
    if not getattr(layer, "tables", 0):
        return {}
    amplitudes, angles = amplitudes_of(layer.levels).numpy(), 2 * np.pi * layer.phases.numpy()
    parts = {"dictionary.sines": amplitudes * np.cos(angles), "dictionary.cosines": amplitudes * np.sin(angles)}
    return {name: values.astype(np.float32).reshape(-1) for name, values in parts.items()}


def _room(instrument: Instrument) -> dict[str, FloatArray]:
    response = instrument.impulse_response
    return {} if response is None else {"room": response}


def _tone(synth: str, network: ControlNetwork) -> dict[str, Any]:
    layer = network.tone
    if layer.sample_rate != SAMPLE_RATE_HZ or getattr(layer, "amp_resample_method", "window") != "window":
        raise _refused("the sample rate or the amp_resample_method of its synthesizer", "16000 and 'window'")
    if synth == "harmonic":
        return {
            "synth": synth,
            "amplitude": _level(layer.scale_fn),
            "below_nyquist": bool(layer.normalize_below_nyquist),
        }
    if synth == "sinusoidal":
        follows_pitch = "f0_hz" in network.tone_inputs
        pull, fade = (float(value) if follows_pitch else 0.0 for value in (layer.pull, layer.fade))
        frequency: dict[str, Any] = {"reach": float(layer.reach)}
        if not (layer.reach and (pull or fade)):
            frequency = _critical_bands(layer.freq_scale_fn, network.outputs[network.tone_inputs[0]])
        return {
            "synth": synth,
            "amplitude": _level(layer.amp_scale_fn),
            "frequency": frequency,
            "pull": pull,
            "fade": fade,
            "pull_power": int(layer.pull_power),
        }
    if bool(layer.tables) != bool(layer.band_limited):
        raise _refused("a dictionary of wavetables that is not band_limited, or the reverse", "both or neither")
    if layer.tables:
        return {
            "synth": synth,
            "amplitude": _level(layer.scale_fn),
            "table": "dictionary",
            "partials": partials_of(layer.points),
        }
    kinds = {"unit_wavetable": "unit", None: "linear"}
    table = _name(layer.table_scale_fn)
    if table not in kinds:
        raise _refused(f"the table_scale_fn '{table}'", "unit_wavetable or None")
    return {"synth": synth, "amplitude": _level(layer.scale_fn), "table": kinds[table]}


def _noise(layer: Any) -> dict[str, float] | None:
    if layer.window_size:
        raise _refused(f"the window_size {layer.window_size} of its noise", "0")
    scale = _level(layer.scale_fn)
    return scale and {**scale, "bias": scale["bias"] + float(layer.initial_bias)}


def _level(scale: Callable[..., Any] | None) -> dict[str, float] | None:
    """Returns a scale function of levels: ddsp's exp_sigmoid, with a bias, or None."""
    name = _name(scale)
    if name is None:
        return None
    if name not in ("exp_sigmoid", "quiet_exp_sigmoid"):
        raise _refused(f"the scale function '{name}'", "exp_sigmoid, quiet_exp_sigmoid or None")
    values = _arguments(ddsp.core.exp_sigmoid, "core.exp_sigmoid")
    own = _arguments(quiet_exp_sigmoid, "luthier.quiet_exp_sigmoid") if name == "quiet_exp_sigmoid" else {}
    parameters = {key: float(values[key]) for key in ("exponent", "max_value", "threshold")}
    return {**parameters, "bias": float(own.get("initial_bias", 0.0))}


def _correction(instrument: Instrument) -> dict[str, Any]:
    definition = instrument.loudness_definition
    return {
        "limit_db": level.LIMIT_DB if instrument.corrects_level else 0.0,
        "a_weighted": definition == LOUDNESS_DEFINITION,
        "window_samples": WINDOW_SAMPLES[definition],
    }


def _critical_bands(scale: Callable[..., Any] | None, sinusoids: int) -> dict[str, Any]:
    if _name(scale) != "frequencies_critical_bands":
        raise _refused(f"the freq_scale_fn '{_name(scale)}'", "frequencies_critical_bands")
    values = _arguments(ddsp.core.frequencies_critical_bands, "core.frequencies_critical_bands")
    low, high = (ddsp.core.hz_to_bark(values[name]) for name in ("hz_min", "hz_max"))
    centre_hz = ddsp.core.bark_to_hz(np.linspace(low, high, sinusoids))
    width_hz = values["bandwidth_scale"] * ddsp.core.hz_to_erb(centre_hz)
    parameters = {name: float(values[name]) for name in ("depth_scale", "hz_min", "hz_max")}
    bands = {"centre_hz": centre_hz.tolist(), "width_hz": width_hz.tolist()}
    return {**bands, **parameters, "depth": int(values["depth"])}


def _arguments(function: Callable[..., Any], name: str) -> dict[str, Any]:
    """Returns the default arguments of a function and what gin binds of them."""
    defaults = {key: each.default for key, each in inspect.signature(function).parameters.items()}
    return {**defaults, **gin.get_bindings(name)}


def _name(scale: Callable[..., Any] | None) -> str | None:
    return None if scale is None else str(getattr(scale, "__name__", scale))


def _refused(found: str, expected: str) -> InputError:
    return InputError(f"the page cannot compute this model: {found} is not supported; expected {expected}")
