"""What looks like a credential; parameters are kept in pages and records, so none may be one."""

from __future__ import annotations

import re

from taxi_duration.errors import TaxiDurationError

NAME = re.compile(
    r"passw|passphrase|secret|credential|apikey|token(_|$)|(^|_)(pwd|auth)(_|$)"
    r"|(^|_)(api|access|account|encryption|private|signing|ssh)_?key"
)
VALUES = {
    "an address with a password": r"//[^/@\s:]*:[^/@\s]+@",
    "an address with a signature or key": r"(?i)[?&][\w-]*(sig|signature|token|key|password)=\w",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a bearer token": r"(?i)\bbearer\s+\S{16}|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}",
    "an access key": r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}"
    r"|\b(gh[oprsu]_|github_pat_|glpat-|hf_|sk-(?=[\w-]*[A-Z])|xox[abeprs]-)[\w-]{16}",
}
WORD = re.compile(r"[\w+.~/=-]+")
CHANGES = re.compile(r"(?=[A-Za-z]\d|\d[A-Za-z])")  # from letter to digit and back
ADVICE = (
    "parameters are kept in pages and records. Put it into an environment variable, and read that "
    "in the notebook."
)


def reject_credentials(name: str, value: object, error: type[TaxiDurationError]) -> None:
    """Raise an error, without the value, if a parameter looks like a credential.

    Examples
    --------
    >>> from taxi_duration.errors import UsageError
    >>> reject_credentials("models", ["ridge", "xgboost"], UsageError)
    >>> reject_credentials("source", "https://ann:letmein@host/tlc", UsageError)
    Traceback (most recent call last):
    ...
    taxi_duration.errors.UsageError: The value of parameter 'source' looks like an address with \
a password, and parameters are kept in pages and records. Put it into an environment variable, \
and read that in the notebook.
    """
    if names_credential(name):
        raise error(f"Parameter {name!r} is named like a credential, and {ADVICE}")
    if kind := credential_kind(value):
        raise error(f"The value of parameter {name!r} looks like {kind}, and {ADVICE}")


def names_credential(name: str) -> bool:
    """Return whether a name, however it is spelled, is one of a credential."""
    return bool(NAME.search(re.sub(r"(?<=[a-z\d])(?=[A-Z])|\W", "_", name).lower()))


def credential_kind(value: object) -> str | None:
    """Return what credential a value, or one of a list, looks like."""
    if isinstance(value, list | tuple):
        return next(filter(None, map(credential_kind, value)), None)
    if not isinstance(value, str):
        return None
    is_random = any(map(_is_random, WORD.findall(value)))
    return known_credential(value) or ("a token" if is_random else None)


def known_credential(text: str) -> str | None:
    """Return what credential of a known form a text has in it."""
    return next((kind for kind, pattern in VALUES.items() if re.search(pattern, text)), None)


def _is_random(word: str) -> bool:
    """Return whether a word is long and as mixed as tokens are; digests and paths are not."""
    mixed = all(re.search(kind, word) for kind in ("[a-z]", "[A-Z]", r"\d"))
    is_aws = re.fullmatch(r"[A-Za-z0-9+][A-Za-z0-9+/]{39}", word)  # no path has exactly that form
    return mixed and len(word) >= 32 and bool(is_aws or len(CHANGES.findall(word)) >= 5)
