"""What may be asked of the matcher's models: each act needs a right and leaves an audit event (promise P8)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.audited import Audited
from adapters.store.audit import AuditTrail
from adapters.store.cohort import Cohort
from adapters.store.models import SHIPPED_NUMBER, Models, Trained, Use
from gateway.audit import AuditAction
from gateway.errors import StateConflict
from gateway.matching.fitness import MOST_PAIRS, MOST_RECORDS, Course, Learnt, unfit
from gateway.matching.model import Model
from gateway.principal import Principal, Right
from gateway.state import SHIPPED
from gateway.wording import reasoned

Progress = Callable[[str, int], None]
"""Told what is counted, and how far it is."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The models that there are.

    Attributes:
        trained: learnt ones, the latest first; the shipped one is number 0 beside them.
        uses: what was put in force, the latest first.

    """

    trained: list[Trained]
    uses: list[Use]

    @property
    def in_force(self) -> int:
        """The number of the model that decides."""
        return self.uses[0].model if self.uses else SHIPPED_NUMBER


class ModelOperations(Audited):
    """The acts of one principal on the matcher's models.

    Args:
        principal: who acts; no method names an actor.
        models: the store's models.
        cohort: the stored identities.
        trail: the audit trail.

    """

    def __init__(self, principal: Principal, models: Models, cohort: Cohort, trail: AuditTrail) -> None:
        super().__init__(principal, trail)
        self._models = models
        self._cohort = cohort

    def list_models(self) -> Shelf:
        """Give the models (audited)."""
        self.require(Right.IDENTITY_READ, AuditAction.MODELS_LISTED)
        shelf = Shelf(self._models.trained(), self._models.uses())
        self._record(AuditAction.MODELS_LISTED, found=len(shelf.trained))
        return shelf

    def show(self, number: int) -> Model:
        """Give one model (audited).

        Raises:
            ResourceNotFound: there is none of that number.
            StateConflict: another program made it.

        """
        self.require(Right.IDENTITY_READ, AuditAction.MODEL_SHOWN)
        model = self._models.model(number)
        self._record(AuditAction.MODEL_SHOWN, entities=[f"model/{number}"])
        return model

    def train(self, reason: str, progress: Progress) -> int:
        """Learn a model from the stored identities and keep it beside the others (audited); none is put in force.

        Returns:
            Its number.

        Raises:
            StateConflict: what was learnt is refused, and why (audited, and not kept).

        """
        self.require(Right.IDENTITY_MODEL, AuditAction.MODEL_TRAINED)
        why = reasoned(reason)
        learnt = self._learn(progress)
        told: dict[str, Any] = {"records": learnt.records, "pairs": learnt.pairs, "matches": round(learnt.fit.matches)}
        if refused := unfit(learnt, SHIPPED):
            self._record(AuditAction.MODEL_TRAINED, refused=",".join(refused), reason=why, **told)
            raise StateConflict(f"what was learnt is refused: {', '.join(refused)}")
        return self._models.keep(
            learnt,
            datetime.now(UTC),
            self._principal.id,
            why,
            lambda number: self._event(AuditAction.MODEL_TRAINED, entities=[f"model/{number}"], reason=why, **told),
        )

    def _learn(self, progress: Progress) -> Learnt:
        course, size = Course(SHIPPED), self._cohort.size()
        for batch in self._cohort.records():
            for one in batch:
                course.count(one)
            progress("records", course.census.records)
            if course.census.records >= MOST_RECORDS:
                break
        looked = 0
        for records, pairs in self._cohort.pairs():
            for one, other in pairs:
                course.compare(one, other)
            looked += records
            progress("pairs", course.patterns.total())
            if course.patterns.total() >= MOST_PAIRS:
                break
        return course.learnt(looked * (size - (looked + 1) / 2), size)

    def use(self, number: int, reason: str) -> int:
        """Put a model in force, from the next batch on and without a restart (audited).

        Raises:
            ResourceNotFound: there is none of that number.
            StateConflict: it is in force already, or unfit for this program.

        """
        return self._put(lambda _now, _before: number, reason)

    def revert(self, reason: str) -> int:
        """Put in force again what was before the model in force; give its number (audited).

        Raises:
            StateConflict: there was none before.

        """

        def former(_now: int, before: int | None) -> int:
            if before is None:
                raise StateConflict("no other model was in force before")
            return before

        return self._put(former, reason)

    def _put(self, choose: Callable[[int, int | None], int], reason: str) -> int:
        action = AuditAction.MODEL_PUT_IN_FORCE
        self.require(Right.IDENTITY_MODEL, action)
        why = reasoned(reason)
        use = Use(SHIPPED_NUMBER, datetime.now(UTC), self._principal.id, why)
        return self._models.use(
            choose, use, lambda number: self._event(action, entities=[f"model/{number}"], reason=why)
        )


def weights_of(model: Model) -> Iterator[tuple[str, str, float, float]]:
    """Give trait, level, bits, and the bits that are shipped."""
    for trait, of in model.weights.items():
        for level, bits in of.items():
            yield trait, str(level), round(bits, 2), round(SHIPPED.weights[trait].get(level, 0.0), 2)
