"""Settings come from a file and the environment over it; a wrong one is refused where it stands."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.settings import CONFIG, PREFIX, Settings, load_settings
from gateway.errors import ConfigurationError
from mappings.site import DEMO


def written(folder: Path, text: str) -> dict[str, str]:
    """Give an environment that names a file with this text."""
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return {CONFIG: str(path)}


def refusal(environment: dict[str, str]) -> ConfigurationError:
    """Give the refusal that these settings meet."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment)
    return caught.value


def test_without_anything_the_defaults_hold():
    """A gateway starts without a setting: embedded, local, on the demonstration site."""
    settings = load_settings({})
    assert settings == Settings()
    assert (settings.site, settings.mllp_host, settings.http_host) == (DEMO, "127.0.0.1", "127.0.0.1")


def test_the_environment_goes_before_the_file(tmp_path: Path):
    """What a variable says stands; what it does not say, the file does."""
    environment = written(tmp_path, 'mllp_port = 1111\nhttp_port = 2222\nlog_level = "debug"\n')
    settings = load_settings({**environment, "GATEWAY_MLLP_PORT": "3333", "PATH": "/bin"})
    assert (settings.mllp_port, settings.http_port, settings.log_level) == (3333, 2222, "debug")


def test_a_good_variable_covers_a_wrong_line_of_the_file(tmp_path: Path):
    """Only what counts is checked."""
    environment = written(tmp_path, "mllp_port = 99999\n")
    assert load_settings({**environment, "GATEWAY_MLLP_PORT": "1"}).mllp_port == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLLP_PORT", "65536"),
        ("MLLP_PORT", "-1"),
        ("HTTP_PORT", "http"),
        ("HTTP_PORT", ""),
        ("BROKER_URL", "kafka://x"),
        ("BROKER_URL", "amqp://[::1"),
        ("BROKER_URL", "amqp://gateway:secret@broker:99999/"),
        ("ALARM_WEBHOOK", "pager"),
        ("MLLP_HOST", ""),
        ("HTTP_HOST", ""),
        ("LOG_LEVEL", "verbose"),
        ("MAX_FRAME_BYTES", "10"),
        ("MAX_CONNECTIONS", "0"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_OUTBOX_DAYS", "999999999999"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str):
    """The variable is named, with what was expected, and its value is not shown."""
    error = refusal({PREFIX + name: value})
    assert error.path == PREFIX + name
    assert error.rule
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# a comment\n\nmllp_port = 99999\n", 3),
        ('log_level = "info"\nno_such_setting = 1\n', 2),
        ('log_level = "info"\nmllp_port = \n', 2),
        ('broker_url = "embedded://x"\n', 1),
        ("[mllp]\nport = 1\n", 1),
        ('"http_port" = "x"\n', 1),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, line: int):
    """Path and line of what is wrong, and what was expected."""
    environment = written(tmp_path, text)
    error = refusal(environment)
    assert (error.path, error.line) == (f"{environment[CONFIG]}:{line}", line)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    """A named file that cannot be read is no reason to start with defaults."""
    assert refusal({CONFIG: str(tmp_path / "none.toml")}).path == str(tmp_path / "none.toml")
    assert refusal({CONFIG: str(tmp_path)}).path == str(tmp_path)


def test_a_file_that_is_no_utf8_is_refused(tmp_path: Path):
    """A file of another character set is refused by its path."""
    path = tmp_path / "gateway.toml"
    path.write_bytes('log_level = "é"'.encode("latin-1"))
    assert refusal({CONFIG: str(path)}).path == str(path)


def test_settings_are_frozen():
    """Nobody changes a setting while the gateway runs."""
    with pytest.raises(ValidationError):
        load_settings({}).mllp_port = 1


def test_every_setting_is_described():
    """An operator can read what each setting is."""
    assert all(field.description for field in Settings.model_fields.values())
