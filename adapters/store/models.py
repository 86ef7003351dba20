"""Models of the matcher: those that were learnt, and which one is in force since when."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, func, insert, select

from adapters.store import schema
from adapters.store.audit import append
from adapters.store.database import Database
from gateway.audit import AuditEvent
from gateway.errors import ResourceNotFound, StateConflict
from gateway.matching.fitness import Learnt, Unfit, unusable
from gateway.matching.model import Model
from gateway.state import SHIPPED

log = structlog.get_logger()

SHIPPED_NUMBER = 0

_model, _use = schema.matching_model, schema.matching_model_use
_TOLD = (_model.c.number, _model.c.trained_at, _model.c.principal, _model.c.reason, _model.c.records)


@dataclass(frozen=True, slots=True)
class Trained:
    """One learnt model, as it is listed.

    Attributes:
        number: its number; its version is ``trained-NUMBER``.
        trained_at: aware instant.
        principal: who had it learnt.
        reason: why, in their words.
        records: records that it was learnt from.
        pairs: candidate pairs compared.
        matches: pairs among them taken for one person.

    """

    number: int
    trained_at: datetime
    principal: str
    reason: str
    records: int
    pairs: int
    matches: int


@dataclass(frozen=True, slots=True)
class Use:
    """A model put in force.

    Attributes:
        model: its number; 0 is the shipped one.
        since: aware instant.
        principal: who did it.
        reason: why, in their words.

    """

    model: int
    since: datetime
    principal: str
    reason: str


class Models:
    """The matcher's models of one database.

    Args:
        database: the database.

    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def trained(self) -> list[Trained]:
        """Give the learnt models, the latest first."""
        wanted = select(*_TOLD, _model.c.pairs, _model.c.matches).order_by(_model.c.number.desc())
        with self._database.read() as connection:
            return [Trained(*row) for row in connection.execute(wanted)]

    def uses(self) -> list[Use]:
        """Give what was put in force, the latest first."""
        wanted = select(_use.c.model, _use.c.since, _use.c.principal, _use.c.reason)
        with self._database.read() as connection:
            return [Use(*row) for row in connection.execute(wanted.order_by(_use.c.number.desc()))]

    def model(self, number: int) -> Model:
        """Give a model by its number.

        Raises:
            ResourceNotFound: there is none.
            StateConflict: another program made it.

        """
        with self._database.read() as connection:
            model = _model_of(connection, number)
        if model is None:
            raise StateConflict(f"the model is unfit: {Unfit.OUTDATED}")
        return model

    def keep(self, learnt: Learnt, at: datetime, principal: str, reason: str, told: Callable[[int], AuditEvent]) -> int:
        """Keep a learnt model beside the others, audited; nothing changes until it is put in force.

        Returns:
            Its number.

        """
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            number = _next(connection, _model.c.number)
            row: dict[str, Any] = {
                "number": number,
                "trained_at": at,
                "principal": principal,
                "reason": reason,
                "records": learnt.records,
                "pairs": learnt.pairs,
                "matches": round(learnt.fit.matches),
                "content": learnt.model.to_dict() | {"version": f"trained-{number}"},
            }
            connection.execute(insert(_model).values(row))
            append(connection, [told(number)])
        return number

    def use(self, choose: Callable[[int, int | None], int], use: Use, told: Callable[[int], AuditEvent]) -> int:
        """Put a model in force from the next batch on, audited, while nothing is processed.

        Args:
            choose: given the model in force and the one before it, gives which one.
            use: who does so and why, whatever its model.
            told: gives the audit event for a model's number.

        Raises:
            ResourceNotFound: there is no such model.
            StateConflict: it is in force already, or unfit for this program.

        """
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            used = select(_use.c.model).order_by(_use.c.number.desc())
            history = [*connection.execute(used).scalars(), SHIPPED_NUMBER]
            now = history[0]
            number = choose(now, next((other for other in history if other != now), None))
            if number == now:
                raise StateConflict("the model is in force already")
            if reasons := _unfit(_model_of(connection, number)):
                raise StateConflict(f"the model is unfit: {', '.join(reasons)}")
            row = {"model": number, "since": use.since, "principal": use.principal, "reason": use.reason}
            connection.execute(insert(_use).values(row | {"number": _next(connection, _use.c.number)}))
            append(connection, [told(number)])
        return number


class InForce:
    """The model that decides, read anew only when another is put in force."""

    def __init__(self) -> None:
        self._number = SHIPPED_NUMBER
        self._model = SHIPPED

    def read(self, connection: Connection) -> Model:
        """Give the model in force: the shipped one where none was put in force, or that one is unfit by now."""
        latest = select(_use.c.model).order_by(_use.c.number.desc()).limit(1)
        number = connection.execute(latest).scalar() or SHIPPED_NUMBER
        if number != self._number:
            model = _model_of(connection, number)
            reasons = _unfit(model)
            if reasons:
                log.warning("matching.model-unfit", model=number, reasons=list(reasons))
            self._number, self._model = number, SHIPPED if model is None or reasons else model
        return self._model


def _unfit(model: Model | None) -> tuple[Unfit, ...]:
    return unusable(model, SHIPPED) if model is not None else (Unfit.OUTDATED,)


def _model_of(connection: Connection, number: int) -> Model | None:
    """A model by its number; None of one whose parts are not those that this program knows."""
    if number == SHIPPED_NUMBER:
        return SHIPPED
    content = connection.execute(select(_model.c.content).where(_model.c.number == number)).scalar()
    if content is None:
        raise ResourceNotFound("the number of a learnt model is expected, or 0 for the shipped one")
    try:
        return Model.from_dict(content)
    except TypeError:
        return None


def _next(connection: Connection, number: Any) -> int:
    return 1 + (connection.execute(select(func.max(number))).scalar() or 0)
