"""Passwords are removed from text, wherever it goes."""

from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest

from components.core.errors import InputError
from components.core.redaction import check_no_secret, has_secret, redact, without_secret, write_private
from components.telemetry import log

SECRET = [
    ("http://ann:pa55@mlflow:5000", "http://ann:***@mlflow:5000", "http://mlflow:5000"),
    ("https://ann:p@55@mlflow.example/x", "https://ann:***@mlflow.example/x", "https://mlflow.example/x"),
    ("https://ann:1234@mlflow", "https://ann:***@mlflow", "https://mlflow"),
    ("http://ann:p/5?5#@mlflow", "http://ann:***@mlflow", "http://mlflow"),
    ("http://:pa55@mlflow", "http://:***@mlflow", "http://mlflow"),
    ("https://t0ken@mlflow", "https://***@mlflow", "https://mlflow"),
    ("postgresql+psycopg2://ann:pa55@db/mlflow", "postgresql+psycopg2://ann:***@db/mlflow", "postgresql+psycopg2://db/mlflow"),
    ("postgresql://db/mlflow?user=ann&password=pa55&x=1", "postgresql://db/mlflow?user=ann&password=***&x=1", None),
]  # fmt: skip
PLAIN = [
    "sqlite:////work/mlflow.db",
    "http://mlflow.luthier:5000",
    "http://mlflow:5000/a@b",
    "http://[::1]:5000/a@b",
    "postgresql+psycopg2://mlflow@postgres:5432/mlflow?sslmode=require",
    "gs://bucket/runs/a:b@c",
    "models:/ddsp-string@champion",
    "registry.example.com:5000/luthier-data:0.1.0@sha256:12ab",
]


@pytest.mark.parametrize(("uri", "masked", "bare"), SECRET)
def test_a_uri_loses_its_password(uri, masked, bare):
    assert has_secret(uri)
    assert redact(f"cannot reach '{uri}': try") == f"cannot reach '{masked}': try"
    if bare:
        assert without_secret(uri) == bare
    assert not any(part in without_secret(uri) for part in ("pa55", "p@55", "1234", "t0ken"))
    with pytest.raises(InputError) as refused:
        check_no_secret(uri, "tracking_uri")
    assert masked in str(refused.value) and "pa55" not in str(refused.value)


@pytest.mark.parametrize("uri", PLAIN)
def test_another_uri_stays_as_it_is(uri):
    assert redact(f"see '{uri}' or ann@example.com") == f"see '{uri}' or ann@example.com"
    assert without_secret(uri) == check_no_secret(uri, "tracking_uri") == uri


def test_values_of_secret_variables_are_removed_as_well(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken-of-ann")
    monkeypatch.setenv("KFP_TOKEN", "abc")  # too short to be told from words
    assert redact("header 'Bearer t0ken-of-ann' of abc") == "header 'Bearer ***' of abc"


@pytest.mark.parametrize("is_json", [False, True])
def test_log_lines_and_their_tracebacks_have_none(monkeypatch, is_json):
    monkeypatch.setenv("LUTHIER_LOG_FORMAT", "json" if is_json else "")
    hooks = sys.excepthook, log.threading.excepthook
    stream = io.StringIO()
    try:
        log.setup()
        handler = logging.getLogger("components").handlers[0]
        handler.setStream(stream)
        try:
            raise ValueError("no answer from http://ann:pa55@mlflow")  # this line is in the traceback
        except ValueError:
            log.get("components.x").warning("cannot reach %s", "http://ann:pa55@mlflow", exc_info=True)
    finally:
        sys.excepthook, log.threading.excepthook = hooks
    assert "pa55" not in stream.getvalue() and stream.getvalue().count("http://ann:***@mlflow") == 3


def test_a_traceback_has_none():
    code = "from components.telemetry import log; log.setup(); raise ValueError('http://ann:pa55@mlflow')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: http://ann:***@mlflow" and "pa55" not in done.stderr


def test_a_private_file_is_private_even_if_it_was_not(tmp_path):
    path = tmp_path / "request.json"
    path.write_text("a longer text of before")
    path.chmod(0o644)
    write_private(path, "{}")
    assert path.read_text() == "{}" and path.stat().st_mode & 0o777 == 0o600
