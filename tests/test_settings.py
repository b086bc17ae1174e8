"""Where settings come from, what counts first, and what is told when they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.documentation import field_docs
from tailrace.errors import UsageError
from tailrace.kinds import NoSettings
from tailrace.quantities import Duration, Size
from tailrace.registry import sinks, sources
from tailrace.settings import Resolved, Retry, Settings, keys_of, resolve, struct_of


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(**given: object) -> Resolved:
    """Settings from `flags`, `set`, `environ` and `toml`."""
    toml = given.get("toml")
    if toml is not None:
        Path("tailrace.toml").write_text(str(toml), encoding="utf-8")
    return resolve(given.get("flags", {}), given.get("set", ()), given.get("environ", {}))  # type: ignore[arg-type]


def test_nothing_told_is_all_defaults() -> None:
    resolved = told()
    assert resolved.settings == Settings()
    assert (dict(resolved.origins), dict(resolved.loose), list(resolved.ignored)) == ({}, {}, [])


def test_flag_before_environment_before_file() -> None:
    toml, environ, flags = (
        'store = "f"\nschema = "ecs"\ntimezone = "A"',
        {"TAILRACE_STORE": "e", "TAILRACE_SCHEMA": "otel"},
        {},
    )
    flags = {"store": "x", "format": None}
    resolved = told(toml=toml, environ=environ, flags=flags)
    settings = resolved.settings
    assert (settings.store, settings.schema, settings.timezone, settings.format) == ("x", "otel", "A", "auto")
    assert resolved.origins == {"store": "--store", "schema": "TAILRACE_SCHEMA", "timezone": "tailrace.toml"}


def test_nested_keys_in_every_place() -> None:
    toml = '[retry]\ndeadline = "1h"\nfirst_pause = 2\n'
    environ = {"TAILRACE_RETRY__FIRST_PAUSE": "3s"}
    resolved = told(toml=toml, environ=environ, set=["retry.longest_pause=10"])
    assert resolved.settings.retry == Retry(
        deadline=Duration(3600), first_pause=Duration(3), longest_pause=Duration(10)
    )
    assert resolved.origins["retry.longest_pause"] == "--set"


def test_several_sinks_in_one_variable() -> None:
    assert told(environ={"TAILRACE_TO": "stdout store:x"}).settings.to == ("stdout", "store:x")
    assert told(toml='to = ["stdout"]').settings.to == ("stdout",)


def test_named_sinks() -> None:
    toml = '[sinks.archive]\nurl = "store:x"\nlevel = 3\n'
    resolved = told(toml=toml, set=["sinks.archive.level=4", "sinks.other.url=stdout"])
    assert resolved.settings.sinks == {"archive": {"url": "store:x", "level": "4"}, "other": {"url": "stdout"}}
    assert resolved.origins["sinks.archive.level"] == "--set"


def test_a_bare_key_that_is_none_of_the_run_is_left_for_a_sink() -> None:
    assert told(set=["colour=red=green"]).loose == {"colour": "red=green"}


def test_variables_that_are_no_settings_are_named() -> None:
    resolved = told(environ={"TAILRACE_SERVICE_HOST": "10.0.0.1", "TAILRACE_CONFIG": "", "OTHER": "1"})
    assert resolved.ignored == ["TAILRACE_SERVICE_HOST"]


def test_a_file_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text('store = "o"', encoding="utf-8")
    assert resolve({}, [], {"TAILRACE_CONFIG": str(path)}).origins == {"store": str(path)}
    assert resolve({}, [], {}, path).settings.store == "o"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"toml": "store ="}, "tailrace.toml is no valid TOML"),
        ({"toml": "sotre = 'x'"}, "tailrace.toml: there is no setting sotre; did you mean store?"),
        ({"toml": "workers = 'many'"}, "tailrace.toml: workers: expected a whole number, not 'many'"),
        ({"toml": "workers = true"}, "tailrace.toml: workers: expected a whole number, not True"),
        ({"toml": "checkpoint = inf"}, "tailrace.toml: checkpoint: expected a size such as 64MiB or 100kB, not inf"),
        ({"toml": "to = 3"}, "tailrace.toml: to: expected a list of texts, got a whole number"),
        ({"toml": "store = 3"}, "tailrace.toml: store: expected text, got a whole number"),
        ({"toml": "store.x = 3"}, "there is no setting store.x; did you mean store?"),
        ({"toml": "sinks = 3"}, "there is no setting sinks"),
        ({"toml": "sinks.x = 3"}, "write [sinks.NAME] with url"),
        ({"environ": {"TAILRACE_WORKERS": "1000"}}, "TAILRACE_WORKERS: expected a whole number <= 256"),
        ({"environ": {"TAILRACE_CHECKPOINT": "a lot"}}, "expected a size such as 64MiB or 100kB, not 'a lot'"),
        ({"environ": {"TAILRACE_CONFIG": "none.toml"}}, "cannot read the settings in none.toml: No such file"),
        ({"set": ["retry.deadlin=3"]}, "--set: there is no setting retry.deadlin; did you mean retry.deadline?"),
        ({"set": ["=3"]}, "--set =3: write KEY=VALUE"),
        ({"set": ["store=a"], "flags": {"store": "b"}}, "store is given by --store and by --set; give it once"),
    ],
)
def test_what_cannot_be_names_place_key_and_remedy(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        told(**given)
    assert message in str(raised.value)


def test_a_sinks_own_settings_refuse_what_they_do_not_know() -> None:
    assert struct_of(NoSettings, {}, "sink store") == NoSettings()
    with pytest.raises(UsageError, match="sink store: there is no setting level"):
        struct_of(NoSettings, {"level": 1}, "sink store")


def test_every_setting_is_documented() -> None:
    for kind in (Settings, Retry, *(each.settings for each in (*sources().values(), *sinks().values()))):
        docs = field_docs(kind)
        missing = [name for name in kind.__struct_fields__ if len(docs.get(name, "")) < 10]
        assert not missing, kind
    assert "retry.deadline" in keys_of(Settings)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), (7, 7), ("64MiB", 64 << 20), ("1.5 kB", 1500), ("2G", 2 << 30), ("10B", 10)]
)
def test_sizes(text: object, size: int) -> None:
    assert Size.parse(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), (0.5, 0.5), ("90s", 90), ("5m", 300), ("2h", 7200), ("14d", 1209600), ("20ms", 0.02)],
)
def test_durations(text: object, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "5 parsecs", True, -3, None, "1e9s", "5MiB"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as"):
        Duration.parse(text)


def test_named_sources_and_sinks_in_every_place() -> None:
    toml = 'from = ["queue"]\n[sources.queue]\nurl = "sqs:events"\nmax = 3\n[sinks.archive]\nurl = "store:x"\n'
    environ = {"TAILRACE_SOURCES__QUEUE__MAX": "4", "TAILRACE_SINKS__ARCHIVE__LEVEL": "9"}
    resolved = told(toml=toml, environ=environ, set=["sources.queue.wait=5s"])
    assert resolved.settings.from_ == ("queue",)
    assert resolved.settings.sources == {"queue": {"url": "sqs:events", "max": "4", "wait": "5s"}}
    assert resolved.settings.sinks == {"archive": {"url": "store:x", "level": "9"}}
    assert resolved.origins["sources.queue.max"] == "TAILRACE_SOURCES__QUEUE__MAX"
    assert told(environ={"TAILRACE_FROM": "a b"}, toml="").settings.from_ == ("a", "b")
    with pytest.raises(UsageError, match=r"write \[sources.NAME\] with url = \"...\" and the source's settings"):
        told(toml="sources.x = 3")


ENVIRONMENTS = """
to = ["stdout"]
timezone = "Europe/Berlin"
[deploy]
memory = 512
[environments.prod]
timezone = "UTC"
[environments.prod.deploy]
trigger = "eventbridge"
vpc.subnets = ["subnet-1", "subnet-2"]
[environments.prod.sinks.es]
url = "elasticsearch:https://search/logs"
[environments.test]
nonsense = 1
"""


def test_an_environment_before_the_rest_of_the_file() -> None:
    Path("tailrace.toml").write_text(ENVIRONMENTS, encoding="utf-8")
    resolved = resolve({}, ["deploy.timeout=60"], {}, environment="prod")
    own = resolved.settings.deploy
    assert (resolved.settings.to, resolved.settings.timezone) == (("stdout",), "UTC")
    assert (own.memory, own.timeout, own.trigger, own.vpc.subnets) == (512, 60, "eventbridge", ("subnet-1", "subnet-2"))
    assert resolved.settings.sinks == {"es": {"url": "elasticsearch:https://search/logs"}}
    assert resolved.origins["timezone"] == "tailrace.toml [environments.prod]"
    assert resolve({}, (), {}).settings.timezone == "Europe/Berlin", "without one they do not count"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ("qa", r"tailrace\.toml: there is no environment qa \(prod, test\); write its table \[environments\.qa\]"),
        ("test", r"tailrace\.toml \[environments\.test\]: there is no setting nonsense"),
    ],
)
def test_an_environment_that_cannot_be(environment: str, told: str) -> None:
    Path("tailrace.toml").write_text(ENVIRONMENTS, encoding="utf-8")
    with pytest.raises(UsageError, match=told):
        resolve({}, (), {}, environment=environment)


@pytest.mark.parametrize("toml", [None, 'timezone = "Europe/Berlin"'])
def test_a_file_without_environments_is_for_every_one(toml: str | None) -> None:
    if toml:
        Path("tailrace.toml").write_text(toml, encoding="utf-8")
    assert resolve({}, (), {}, environment="prod").settings.timezone == ("Europe/Berlin" if toml else "UTC")
