"""The settings: one frozen object, read once from a TOML file and the environment, passed down in parts."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import ConfigurationError
from mappings.site import DEMO

PREFIX = "GATEWAY_"
CONFIG = "GATEWAY_CONFIG"
"""Names a TOML file; what the environment says goes before it."""


EMBEDDED = "embedded://"
"""Broker URL of the embedded bus."""


class Settings(BaseModel):
    """What an operator sets, each also as ``GATEWAY_`` and its name in capitals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database_url: str = Field(default="sqlite:///gateway.db", description="sqlite:///FILE or postgresql+psycopg://...")
    broker_url: str = Field(
        default=EMBEDDED, pattern=r"^(embedded://$|amqps?://)", description="embedded:// or amqp://..."
    )
    site: Path = Field(default=DEMO, description="folder of the site's TOML files; the packaged demo site by default")
    mllp_host: str = Field(default="127.0.0.1", description="address the MLLP listener binds")
    mllp_port: int = Field(default=2575, ge=0, le=65535, description="MLLP port; 0: any free one")
    http_host: str = Field(default="127.0.0.1", description="address the HTTP server binds")
    http_port: int = Field(default=8080, ge=0, le=65535, description="HTTP port; 0: any free one")
    max_frame_bytes: int = Field(default=33_554_432, ge=1024, description="largest MLLP frame, in bytes")
    max_connections: int = Field(default=256, ge=1, description="MLLP connections at one time")
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error"
    )


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Give the settings of the environment, over those of the file that GATEWAY_CONFIG names.

    Raises:
        ConfigurationError: says which file and line, or which variable, and what was expected.

    """
    environment = os.environ if environment is None else environment
    file, text = _file(environment.get(CONFIG, ""))
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() in Settings.model_fields
    }
    try:
        return Settings.model_validate({**file, **given})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = str(first["loc"][0])
        if key in given:
            raise ConfigurationError(first["msg"], path=PREFIX + key.upper()) from None
        raise ConfigurationError(f"{key}: {first['msg']}", path=environment[CONFIG], line=_line(text, key)) from None


def _file(path: str) -> tuple[dict[str, object], str]:
    if not path:
        return {}, ""
    try:
        text = Path(path).read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except OSError:
        raise ConfigurationError("a readable TOML file is expected", path=path) from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise ConfigurationError(f"TOML is expected: {error}", path=path, line=int(line[1]) if line else None) from None


def _line(text: str, key: str) -> int | None:
    lines = text.splitlines()
    return next((n for n, line in enumerate(lines, start=1) if line.split("=")[0].strip() == key), None)
