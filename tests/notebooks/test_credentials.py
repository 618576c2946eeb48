"""A parameter that looks like a credential is rejected, and its value is shown nowhere."""

from pathlib import Path

import pytest

from taxi_duration.cli.main import main
from taxi_duration.errors import NotebookError, UsageError
from taxi_duration.notebooks.credentials import reject_credentials
from taxi_duration.notebooks.discovery import check
from taxi_duration.notebooks.parameters import read_parameters

STORY = Path(__file__).parents[1] / "broken_notebooks" / "story.ipynb"
NAMES = [
    "password", "db_password", "dbPassword", "passwd", "PWD", "passphrase", "secret", "api_secret",
    "token", "access_token", "authToken", "api_key", "apikey", "API-KEY", "AWS_SECRET_ACCESS_KEY",
    "aws_access_key_id", "private_key", "credentials", "auth",
]  # fmt: skip
VALUES = {
    "password": "postgresql://ann:letmein@db/mlflow",
    "empty user": "redis://:letmein@cache",
    "in a list": '["a", "https://ann:letmein@host"]',
    "signature": "https://blob/months?sv=1&sig=letmein",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "aws session": "ASIAIOSFODNN7EXAMPLE",
    "aws secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz",
    "google": "AIza" + "x" * 35,
    "openai": "sk-proj-" + "aB3d" * 6,
    "slack": "xoxb-123456789012-abcdef",
    "bearer": "Authorization: Bearer abcdefghijklmnop",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.x",
    "key": "-----BEGIN RSA PRIVATE KEY-----",
    "random": "q8Zr3Vx0Lm7Kp2Nt5Wy9Bd4Hf6Jg1Sc8",
}
HARMLESS = [
    "2021-01", "models:/taxi-duration@champion", "linear,ridge,xgboost", "/data/tlc/2021", "0" * 32,
    "a3f5" * 16, "https://mirror.example/trip-data?month=1", "C:\\Users\\Ann\\months", "50.0", "",
    "/home/ann/GreenTaxiTripData-2021-01-to-2021-12/all", "tokens", "s3://bucket/green/2021",
    "sk-estimator-doc-link",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_a_credential_is_rejected(name):
    with pytest.raises(UsageError, match=f"{name!r} is named like a credential.* an environment v"):
        reject_credentials(name, "hunter2", UsageError)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("form", [str, lambda value: ["a", value]], ids=["text", "list"])
def test_a_value_like_a_credential_is_rejected_and_not_repeated(value, form):
    with pytest.raises(UsageError, match="value of parameter 'source' looks like a") as error:
        reject_credentials("source", form(value), UsageError)
    assert value not in str(error.value)


@pytest.mark.parametrize("value", [*HARMLESS, 3, 0.5, None, True, ["ridge"]])
def test_a_usual_value_is_accepted(value):
    reject_credentials("models", value, UsageError)


@pytest.mark.parametrize("name", ["tokenizer", "monkey", "key", "author", "keyboard", "passengers"])
def test_a_usual_name_is_accepted(name):
    reject_credentials(name, "x", UsageError)


@pytest.mark.parametrize(
    "pair",
    ["password=hunter2", f"rows={VALUES['random']}", VALUES["random"]],
)
@pytest.mark.parametrize("times", [1, 2])
def test_the_command_rejects_it_before_anything_is_written(
    pair, times, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(STORY), *["-p", pair] * times]) == 2
    said = capsys.readouterr().err
    assert "an environment variable" in said
    assert pair.rpartition("=")[2] not in said
    assert list(tmp_path.iterdir()) == []


def test_it_is_rejected_in_python_too():
    with pytest.raises(UsageError, match="environment variable"):
        check([STORY], {"service": "https://ann:letmein@host"})


@pytest.mark.parametrize(
    "line",
    [
        "password: str = 'hunter2'",
        "password = 'hunter2'",
        "source: str = 'http://ann:hunter2@host'",
    ],
)
def test_a_parameters_cell_must_not_declare_one(line):
    with pytest.raises(NotebookError, match="environment variable") as error:
        read_parameters(line)
    assert "hunter2" not in str(error.value)
