"""The settings: one frozen object, read once from a TOML file and the environment, passed down in parts."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from gateway.errors import ConfigurationError
from mappings.site import DEMO
from mappings.toml_file import expectation, parse, read_text, refuse_first

PREFIX = "GATEWAY_"
CONFIG = "GATEWAY_CONFIG"
"""Names a TOML file; what the environment says goes before it."""


EMBEDDED = "embedded://"
"""Broker URL of the embedded bus."""


class Settings(BaseModel):
    """What an operator sets, each also as ``GATEWAY_`` and its name in capitals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database_url: str = Field(default="sqlite:///gateway.db", description="sqlite:///FILE or postgresql+psycopg://...")
    broker_url: str = Field(default=EMBEDDED, description="embedded:// or amqp://...")
    broker_declares: bool = Field(
        default=True, description="declare queues on connecting; false: `gateway bus topology` was imported"
    )
    site: Path = Field(default=DEMO, description="folder of the site's TOML files; the packaged demo site by default")
    mllp_host: str = Field(default="127.0.0.1", min_length=1, description="address the MLLP listener binds")
    mllp_port: int = Field(default=2575, ge=0, le=65535, description="MLLP port; 0: any free one")
    mllp_shared: bool = Field(
        default=False,
        description="let several intake processes of this host listen on the one port",
    )
    mllp_plain: bool = Field(default=True, description="listen for MLLP in clear; false: for MLLPS only")
    mllps_host: str = Field(default="127.0.0.1", min_length=1, description="address the MLLPS (TLS) listener binds")
    mllps_port: int = Field(default=2576, ge=0, le=65535, description="MLLPS port; 0: any free one")
    mllps_certificate: str = Field(
        default="", description="PEM file: our certificate, then those between it and its authority; empty: no MLLPS"
    )
    mllps_key: str = Field(default="", description="PEM file: its private key; empty: in the certificate's file")
    mllps_client_ca: str = Field(
        default="", description="PEM file: authorities of client certificates; empty: none is asked for"
    )
    mllps_client_certificate: Literal["required", "optional"] = Field(
        default="required", description="required, or optional: a sender may do without one"
    )
    http_host: str = Field(default="127.0.0.1", min_length=1, description="address the HTTP server binds")
    http_port: int = Field(default=8080, ge=0, le=65535, description="HTTP port; 0: any free one")
    max_frame_bytes: int = Field(default=33_554_432, ge=1024, description="largest MLLP frame, in bytes")
    max_connections: int = Field(default=256, ge=1, description="MLLP connections at one time")
    max_connections_per_address: int = Field(
        default=64, ge=0, description="MLLP connections at one time from one IP address; 0: as many as there are"
    )
    workers: int = Field(
        default=1, ge=0, le=64, description="worker processes beside the listening one (PostgreSQL); 0: it works itself"
    )
    max_backlog: int = Field(
        default=1_000_000,
        ge=0,
        description="messages that may wait to be processed before intake refuses; 0: any number",
    )
    min_free_bytes: int = Field(
        default=536_870_912, ge=0, description="bytes kept free where the SQLite file is, or intake refuses; 0: none"
    )
    alarm_oldest_pending_seconds: int = Field(
        default=300, ge=0, description="alarm when a message waits to be processed for so long; 0: never"
    )
    alarm_backlog: int = Field(
        default=10_000, ge=0, description="alarm when so many messages wait to be processed; 0: never"
    )
    alarm_quarantine: int = Field(
        default=100, ge=0, le=10_000, description="alarm when so many messages in quarantine are not resolved; 0: never"
    )
    alarm_outbox_seconds: int = Field(
        default=300, ge=0, description="alarm when an item waits for the broker for so long; 0: never"
    )
    alarm_broker_away_seconds: int = Field(
        default=120, ge=0, description="alarm when the broker is away for so long; 0: never"
    )
    alarm_disk_free_bytes: int = Field(
        default=2_147_483_648, ge=0, description="alarm when so few bytes are free where the SQLite file is; 0: never"
    )
    alarm_unsealed_seconds: int = Field(
        default=60, ge=0, description="alarm when an audit event waits for its seal for so long; 0: never"
    )
    alarm_reply_seconds: int = Field(
        default=300,
        ge=0,
        description="alarm when an application acknowledgment waits for its source's own address for so long; 0: never",
    )
    alarm_checkpoint_seconds: int = Field(
        default=900, ge=0, description="alarm when a checkpoint waits for a sink for so long; 0: never"
    )
    alarm_keys_left_out: int = Field(
        default=1000, ge=0, description="alarm when so many blocking keys were left out within an hour; 0: never"
    )
    alarm_calm_seconds: int = Field(
        default=60, ge=0, description="how long a value must be well before its alarm is resolved"
    )
    alarm_webhook: str = Field(default="", description="URL to which alarms are posted as JSON; empty: none")
    audit_key: str = Field(
        default="", description="file of the key that signs checkpoints; empty: beside a SQLite file, else none"
    )
    audit_checkpoint_events: int = Field(
        default=10_000, ge=1, le=65_536, description="a checkpoint is made over so many audit events at the latest"
    )
    audit_checkpoint_seconds: int = Field(
        default=60, ge=1, description="a checkpoint is made so many seconds after the last, if there are new events"
    )
    audit_sink_file: str = Field(default="", description="file, on another mount, to which checkpoints are appended")
    audit_sink_syslog: str = Field(default="", description="HOST:PORT of a syslog server to which they go by TLS")
    audit_sink_syslog_ca: str = Field(
        default="", description="PEM file: authorities of that server's certificate; empty: the system's"
    )
    audit_sink_http: str = Field(default="", description="URL to which they are posted")
    retention_days: int = Field(
        default=30, ge=0, le=36_500, description="days that bodies of messages are kept; 0: for ever"
    )
    retention_quarantine_days: int = Field(
        default=180, ge=0, le=36_500, description="days for bodies that a person may still need; 0: for ever"
    )
    retention_outbox_days: int = Field(
        default=30, ge=0, le=36_500, description="days that published bus messages are kept; 0: for ever"
    )
    claim_lease_minutes: int = Field(
        default=480,
        ge=0,
        le=100_000,
        description="an item is free again when its holder does nothing for so long; 0: never",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )

    @field_validator("broker_url")
    @classmethod
    def _broker_can_be_named(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            good = url == EMBEDDED or (parts.scheme in {"amqp", "amqps"} and parts.port != 0)
        except ValueError:
            good = False
        if not good:  # what urlsplit says of it may quote the password
            raise PydanticCustomError("broker_url", "embedded:// or amqp://USER:PASSWORD@HOST:PORT/ is expected")
        return url

    @field_validator("alarm_webhook", "audit_sink_http")
    @classmethod
    def _can_be_posted_to(cls, url: str) -> str:
        if not re.fullmatch(r"(https?://\S+)?", url):
            raise PydanticCustomError("posted_to", "http://... or https://... is expected")
        return url

    @field_validator("audit_sink_syslog")
    @classmethod
    def _can_be_connected_to(cls, address: str) -> str:
        if not re.fullmatch(r"([^\s:]+:[0-9]{1,5})?", address):
            raise PydanticCustomError("connected_to", "HOST:PORT is expected")
        return address


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Give the settings of the environment, over those of the file that GATEWAY_CONFIG names.

    Raises:
        ConfigurationError: says which file and line, or which variable, and what was expected.

    """
    environment = os.environ if environment is None else environment
    path = Path(environment.get(CONFIG, ""))
    text = read_text(path) if environment.get(CONFIG) else ""
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() in Settings.model_fields
    }
    try:
        return Settings.model_validate({**parse(path, text), **given})
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
        mine = next((e for e in errors if e["loc"][0] in given), None)
        if mine is None:
            refuse_first(error, path, text)
        raise ConfigurationError(expectation(mine), path=f"{PREFIX}{mine['loc'][0]}".upper()) from None


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """Name the GATEWAY_ variables that are no setting: typing errors, most likely."""
    environment = os.environ if environment is None else environment
    known = {CONFIG, *(PREFIX + name.upper() for name in Settings.model_fields)}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
