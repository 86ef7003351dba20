"""The README says all that a user can call or set."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click

from adapters.cli import main
from adapters.settings import PREFIX, Settings
from gateway.alarm import AlarmName
from gateway.facts import IdentityStatus, Priority
from gateway.principal import Right
from gateway.site import Source
from gateway.worklist import ItemKind, ItemState
from mappings.profiles import load_profiles

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            for sub, leaf in _commands(command, context):
                yield f"{name} {sub}", leaf
        else:
            yield name, command


ALL = dict(_commands(main, click.Context(main)))


def test_every_command_is_in_the_readme():
    """A command that the README does not name fails this test."""
    for path in ALL:
        group, _, sub = path.partition(" ")
        line = next((line for line in README.splitlines() if line.startswith(f"| `gateway {group}")), "")
        assert line, path
        assert not sub or f"`{sub}`" in line or f"gateway {path}" in line, path


def test_every_command_shows_an_example():
    """Each command's help holds an example that begins with the program's name."""
    for path, command in ALL.items():
        assert f"gateway {path}" in (command.help or ""), path


def test_every_setting_is_in_the_readme_with_its_default():
    """A setting without a row, or with another default than the program's, fails this test."""
    for name, field in Settings.model_fields.items():
        row = next((line for line in README.splitlines() if line.startswith(f"| `{PREFIX}{name.upper()}`")), "")
        assert row, name
        assert name == "site" or f"`{field.default}`" in row, name


def test_every_word_of_an_item_is_in_the_readme():
    """The vocabularies of kind, state, priority, identity status, rights and alarms are complete."""
    for vocabulary in (ItemKind, ItemState, Priority, IdentityStatus, Right, AlarmName):
        for word in vocabulary:
            assert f"`{word.value}`" in README, word


def test_every_key_of_a_source_is_in_the_readme():
    """What sources.toml may say of a source is told, word by word."""
    for field in fields(Source):
        assert f"`{field.name}`" in README, field.name


def test_every_packaged_profile_is_in_the_readme():
    """A message profile without a row fails this test."""
    for name in load_profiles():
        assert f"| `{name}` |" in README, name
