"""Mutants of JSON files and of gin text: what an attacker, a bad disk or another program makes of them."""

from __future__ import annotations

import json
import random
from typing import Any

_WORDS = [
    "",
    "../../x",
    "/etc/passwd",
    "a\\b",
    "a\0b",
    "\x1b[2J",
    "x" * 5000,
    "\u00e9\u202e",
    "\ud800",
    "%HARMONICS",
    "@os.system()",
]
_NUMBERS = [0, -1, 2**31, 2**53 + 1, 10**18, 10**30, 10**400, -(10**25), 1e308, 1e-320, 0.5, -0.0]
_SPECIAL = [float("nan"), float("inf"), float("-inf"), None, True, False, [], {}, [[]], [None], {"": ""}]
_LINES = [
    "import os",
    "from os import system",
    "include '/etc/passwd'",
    "train.max_steps = @os.getpid()",
    "Autoencoder.decoder = @builtins.eval",
    "Autoencoder.decoder = '@luthier.RnnFcDecoder()'",
    "luthier.RnnFcDecoder.layers_per_stack = 100000",
    "luthier.RnnFcDecoder.output_splits = (('amps', %HARMONICS), ('x', %NOTHING))",
    "luthier.SpectralLoss.fft_sizes = (2048000000,)",
    "HARMONICS = 10**9",
    "HARMONICS = %HARMONICS",
    "gin.REQUIRED = 1",
    "x = %gin.REQUIRED",
    "macro.value = 3",
    "a/macro.value = 3",
    "singleton.constructor = @os.system",
    "train.seed = " + "(" * 5000,
    "train.seed = " + "-" * 2000 + "1",
    "train.seed = " + "9" * 6000,
    "train.seed = 1e999",
    "train.seed = {[]: 1}",
    "train.seed = 'a' 'b' b'c'",
    "train.seed = '" + "x" * 70_000 + "'",
    "train:",
    "train:\n  seed = 1\n import os",
    "\ttrain.seed = 1",
    "train.seed =",
    "train.seed = 1 \\",
    "train.seed = \x00",
    "from __gin__ import dynamic_registration",
    "scope/train.seed = 1",
    "@train.seed = 1",
    "train.seed = $",
]


def mutated_json(draw: random.Random, value: Any) -> bytes:
    """Returns the bytes of a changed JSON value."""
    for _ in range(draw.choice([0, 1, 1, 1, 2, 4])):
        value = _changed(draw, value)
    text = json.dumps(value, ensure_ascii=draw.random() < 0.8)
    kind = draw.choice(["none", "none", "none", "bytes", "cut", "twice", "deep", "digits", "encoding"])
    if kind == "twice":
        text = text.replace("{", '{"family": 1, "family": 2, ', draw.choice([1, 2]))
    elif kind == "deep":
        levels = draw.choice([60, 70, 500, 5_000, 100_000])
        opening, closing = draw.choice([("[", "]"), ('{"a":', "}")])
        text = text.replace(": ", f": {opening * levels}1{closing * levels}, ", 1).replace(", ", ', "z": ', 1)
    elif kind == "digits":
        text = text.replace(": ", f': {draw.choice("123456789") * draw.choice([20, 400, 5000])}, "z": ', 1)
    return _bytes(draw, text, kind)


def mutated_text(draw: random.Random, text: str) -> bytes:
    """Returns the bytes of changed gin text, or of lines of another kind of text."""
    lines = text.splitlines() or [""]
    for _ in range(draw.choice([1, 1, 2, 4])):
        at = draw.randrange(len(lines))
        kind = draw.choice(["insert", "insert", "drop", "double", "swap", "value"])
        if kind == "insert":
            lines.insert(at, draw.choice(_LINES))
        elif kind == "drop" and len(lines) > 1:
            del lines[at]
        elif kind == "double":
            lines.insert(at, lines[at])
        elif kind == "swap":
            other = draw.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines[at] = lines[at].partition("=")[0] + f"= {draw.choice([*_NUMBERS, *_SPECIAL, *_WORDS])!r}"
    return _bytes(draw, "\n".join(lines) + "\n", draw.choice(["none", "none", "none", "bytes", "cut", "encoding"]))


def _changed(draw: random.Random, value: Any) -> Any:
    """Returns a value with one change at a random place."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        kind = draw.choice(["inside", "inside", "inside", "drop", "rename", "replace"])
        if kind == "inside":
            value[key] = _changed(draw, value[key])
        elif kind == "drop":
            del value[key]
        elif kind == "rename":
            value[draw.choice(_WORDS)] = value.pop(key)
        else:
            value[key] = _any(draw)
        return value
    if isinstance(value, list) and value and draw.random() < 0.9:
        at = draw.randrange(len(value))
        if draw.random() < 0.7:
            value[at] = _changed(draw, value[at])
        else:
            value.extend([_any(draw)] * draw.choice([1, 2, 1000]))
        return value
    return _any(draw)


def _any(draw: random.Random) -> Any:
    found = draw.choice(draw.choice([_WORDS, _NUMBERS, _SPECIAL]))
    return list(found) if isinstance(found, list) else dict(found) if isinstance(found, dict) else found


def _bytes(draw: random.Random, text: str, kind: str) -> bytes:
    if kind == "encoding":
        encoding = draw.choice(["utf-8-sig", "utf-16", "utf-32", "latin-1", "cp500"])
        return text.encode(encoding, errors="replace")
    data = bytearray(text.encode(errors="surrogatepass"))
    if kind == "cut":
        del data[draw.randrange(len(data) + 1) :]
    elif kind == "bytes":
        for _ in range(draw.choice([1, 2, 10])):
            at = draw.randrange(len(data) + 1)
            data[at : at + draw.choice([0, 1, 4])] = draw.randbytes(draw.choice([0, 1, 1, 4]))
    return bytes(data)
