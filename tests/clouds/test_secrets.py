"""Secrets are found where the settings say they are, kept, and read anew when they were refused; no message shows one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from cloud import client_of
from cloud import cloud as aws
from tailrace.clouds import Vault
from tailrace.errors import Fatal, Retryable, TailraceError, UsageError
from tailrace.quantities import Secret

PASSWORD = "the PASSWORD itself"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def cloud() -> Iterator[Callable[[str], Any]]:
    """Makes clients of a server of AWS's APIs."""
    with aws() as endpoint:
        yield lambda service: client_of(service, endpoint)


@pytest.fixture
def name() -> str:
    return f"search/password-{next(_numbers)}"


def no_cloud(_service: str) -> Any:
    raise AssertionError("no cloud is to be asked")


def refused_for(vault: Vault, told: str, kind: type[TailraceError]) -> str:
    """The message with which a secret cannot be read; it names the reference and shows no secret."""
    with pytest.raises(kind) as raised:
        vault.read(Secret(told))
    assert told in str(raised.value) or "credentials are not accepted" in str(raised.value)
    assert "PASSWORD" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("told", [PASSWORD, "env:", "file:", "ssm:", "secretsmanager:", "other:thing", "a#b", ""])
def test_what_is_no_reference_is_the_secret(told: str) -> None:
    assert Vault(no_cloud, {}).read(Secret(told)) == told


def test_a_variable_of_the_environment() -> None:
    vault = Vault(no_cloud, {"PW": PASSWORD, "EMPTY": ""})
    assert (vault.read(Secret("env:PW")), vault.read(Secret("env:EMPTY"))) == (PASSWORD, "")
    assert refused_for(vault, "env:pw", UsageError).endswith("there is no such variable in the environment")


@pytest.mark.parametrize(("content", "secret"), [
    (b"word", "word"), (b"word\n", "word"), (b"word\r\n", "word"), (b" w\n\n", " w\n"), ("schlüssel".encode(), "schlüssel"),
    (b"x" * (64 << 10), "x" * (64 << 10)),
])  # fmt: skip
def test_a_file_without_the_newline_that_editors_add(tmp_path: Path, content: bytes, secret: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    assert Vault(no_cloud, {}).read(Secret(f"file:{path}")) == secret


def test_a_file_that_is_no_secret(tmp_path: Path) -> None:
    vault, path = Vault(no_cloud, {}), tmp_path / "password"
    assert "No such file" in refused_for(vault, f"file:{path}", UsageError)
    assert "Is a directory" in refused_for(vault, f"file:{tmp_path}", UsageError)
    path.write_bytes(b"PASSWORD\xff")
    assert refused_for(vault, f"file:{path}", UsageError).endswith("it is no text")
    path.write_bytes(b"x" * ((64 << 10) + 1))
    assert refused_for(vault, f"file:{path}", UsageError).endswith("it is longer than 64 KiB")


@pytest.mark.parametrize("type_", ["String", "SecureString"])
def test_a_parameter_of_systems_manager(cloud: Callable[[str], Any], name: str, type_: str) -> None:
    cloud("ssm").put_parameter(Name=f"/{name}", Value=PASSWORD, Type=type_)
    assert Vault(cloud, {}).read(Secret(f"ssm:/{name}")) == PASSWORD
    assert "does not exist at http://127.0.0.1" in refused_for(Vault(cloud, {}), "ssm:/nothing", UsageError)


def test_a_secret_of_secrets_manager_or_a_part_of_it(cloud: Callable[[str], Any], name: str) -> None:
    client = cloud("secretsmanager")
    arn = client.create_secret(Name=name, SecretString='{"user": "me", "key": "PASSWORD#:", "port": 9200}')["ARN"]
    vault = Vault(cloud, {})
    assert vault.read(Secret(f"secretsmanager:{name}")).startswith('{"user"')
    assert vault.read(Secret(f"secretsmanager:{name}#key")) == "PASSWORD#:"
    assert vault.read(Secret(f"secretsmanager:{arn}#port")) == "9200"
    assert "does not exist" in refused_for(vault, "secretsmanager:nothing", UsageError)


@pytest.mark.parametrize(("content", "key"), [
    ('{"key": "PASSWORD"}', "other"), ("PASSWORD", "key"), ('["PASSWORD"]', "0"), ('{"key": null}', "key"),
    ('{"key": {"PASSWORD": 1}}', "key"), ('{"key": ["PASSWORD"]}', "key"), ('{"key": true}', "key"),
])  # fmt: skip
def test_a_part_that_is_not_there_or_no_text(cloud: Callable[[str], Any], name: str, content: str, key: str) -> None:
    cloud("secretsmanager").create_secret(Name=name, SecretString=content)
    told = f"secretsmanager:{name}#{key}"
    assert refused_for(Vault(cloud, {}), told, UsageError).endswith(
        f"is no JSON object with a text under the key {key}"
    )


def test_bytes_are_no_text(cloud: Callable[[str], Any], name: str) -> None:
    cloud("secretsmanager").create_secret(Name=name, SecretBinary=b"PASSWORD")
    assert refused_for(Vault(cloud, {}), f"secretsmanager:{name}", UsageError).endswith("is no text")


def test_a_secret_is_kept_until_it_is_asked_for_anew(cloud: Callable[[str], Any], name: str) -> None:
    client, made = cloud("secretsmanager"), []
    client.create_secret(Name=name, SecretString="old")

    def counted(service: str) -> Any:
        made.append(service)
        return client

    vault, secret = Vault(counted, {}), Secret(f"secretsmanager:{name}")
    assert vault.read(secret) == vault.read(Secret(f"secretsmanager:{name}")) == "old"
    client.put_secret_value(SecretId=name, SecretString="new")
    assert vault.read(secret) == "old"
    assert made == ["secretsmanager"]
    assert vault.read(secret, anew=True) == "new"
    assert vault.read(secret) == "new"


class Refusing:
    """A client whose calls fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.meta = type("Meta", (), {"endpoint_url": "https://ssm.example.net"})

    def get_parameter(self, **_: Any) -> Any:
        raise self.error


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "the PASSWORD is bad"}}, "GetParameter")


@pytest.mark.parametrize(("error", "kind"), [
    (refusal("AccessDeniedException"), Fatal), (refusal("ExpiredTokenException"), Fatal), (NoCredentialsError(), Fatal),
    (refusal("ParameterNotFound"), UsageError), (refusal("ThrottlingException"), Retryable),
    (refusal("InternalServerError"), Retryable), (OSError("PASSWORD"), Retryable),
    (EndpointConnectionError(endpoint_url="https://ssm.example.net"), Retryable),
])  # fmt: skip
def test_what_a_refusal_means(error: Exception, kind: type[TailraceError]) -> None:
    refused_for(Vault(lambda _service: Refusing(error), {}), "ssm:/x", kind)


def test_after_a_failure_it_is_asked_again() -> None:
    client: Any = Refusing(refusal("ThrottlingException"))
    vault = Vault(lambda _service: client, {})
    refused_for(vault, "ssm:/x", Retryable)
    client.get_parameter = lambda **_: {"Parameter": {"Value": "now"}}
    assert vault.read(Secret("ssm:/x")) == "now"
    client.get_parameter = Refusing(refusal("ThrottlingException")).get_parameter
    with pytest.raises(Retryable):
        vault.read(Secret("ssm:/x"), anew=True)
    assert vault.read(Secret("ssm:/x")) == "now", "what was known stays known"
