"""Tracking URIs that MLflow cannot use end with one line, which shows no password."""

from __future__ import annotations

import sys

import pytest
import requests
from google.auth.exceptions import DefaultCredentialsError

from components.core.errors import InputError, StepError
from components.registry.client import mlflow_errors


@pytest.mark.parametrize("uri", ["joe:hunter22@mlflow:5000", "//joe:hunter22@mlflow", "joe:hun:@ter22@mlflow"])
def test_a_uri_without_a_scheme_is_refused_without_its_password(refused, uri):
    said = refused("models", "--tracking-uri", uri)
    assert f"'***@{uri.rpartition('@')[2]}' has no scheme" in said
    assert "ter22" not in said
    assert "joe" not in said


def test_a_database_whose_driver_is_not_installed_is_refused(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    said = refused("models", "--tracking-uri", "postgresql+psycopg2://joe:hunter22@127.0.0.1:9/db")
    assert "the package 'psycopg2', which it needs, is not installed" in said
    assert "hunter22" not in said


def _answered(status):
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} from the proxy", response=response)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (_answered(403), InputError),
        (_answered(429), StepError),
        (_answered(503), StepError),
        (requests.ConnectionError("reset"), StepError),
        (DefaultCredentialsError("no credentials were found"), StepError),
        (ModuleNotFoundError("no boto3", name="boto3"), InputError),
    ],
)
def test_files_that_cannot_be_reached_are_one_line(raised, error):
    with (
        pytest.raises(error, match=r"cannot use (the files of )?MLflow at 'http://mlflow'"),
        mlflow_errors("http://mlflow"),
    ):
        raise raised
