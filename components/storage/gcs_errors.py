"""The errors of Cloud Storage: what a response says, in one line for the user."""

from __future__ import annotations

import html
import json
import re
from contextlib import suppress

import google.auth.exceptions
import requests

from components.core import environment
from components.core.errors import InputError, StepError

_LONGEST_EXCERPT = 200
_LONGEST_BODY = 10_000
_NO_BUCKET = re.compile(r"\bbucket\b.*\bdoes not exist", re.IGNORECASE)
_MARKUP = re.compile(r"\s*<[!?a-z]", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


class NoObject(InputError):  # noqa: N818 (reads as what it is)
    """There is no such object or bucket."""


def error_of_response(uri: str, status: int | None, text: str) -> Exception:
    """Returns the error for a response that no other attempt will change; `text` is its body."""
    reason = reason_of(text)
    if status in (400, 403) and "requester pays" in text.lower():
        return InputError(
            f"cannot open '{uri}': its bucket is requester-pays; set {environment.USER_PROJECT} to the Google Cloud "
            "project that pays"
        )
    if status == 404:
        if _NO_BUCKET.search(reason):
            bucket = uri.removeprefix("gs://").partition("/")[0]
            return NoObject(f"cannot open '{uri}': there is no bucket '{bucket}'; check its name")
        return NoObject(f"there is no object '{uri}', or no such bucket")
    if status in (401, 403):
        return InputError(
            f"no permission for '{uri}'{f' ({reason})' if reason else ''}; check the account's roles, or try "
            "`gcloud auth application-default login`"
        )
    reason = reason.removeprefix(f"{status} ")
    return StepError(f"Cloud Storage rejected a request for '{uri}': {status} {reason}".rstrip())


def reason_of(text: str) -> str:
    """Returns what the body of a response says: the message of its JSON, the text of its XML, the title of its HTML."""
    with suppress(ValueError, LookupError, TypeError):
        text = str(json.loads(text)["error"]["message"])
    if _MARKUP.match(text):  # a proxy or a gateway answers in HTML
        text = text[:_LONGEST_BODY]
        title = _TITLE.search(text)
        text = html.unescape(title[1] if title else _TAG.sub(" ", text))
    return one_line(text).rstrip(".") if text.strip() else ""


def one_line(problem: object) -> str:
    """Returns an error, or a text, in one line that is not too long."""
    if isinstance(problem, requests.RequestException) and problem.args:
        problem = getattr(problem.args[0], "reason", None) or problem  # what happened, without the URL
    if isinstance(problem, google.auth.exceptions.GoogleAuthError) and problem.args:
        problem = problem.args[0]
    text = " ".join(str(problem).split()) or type(problem).__name__
    return text if len(text) <= _LONGEST_EXCERPT else text[:_LONGEST_EXCERPT] + "…"
