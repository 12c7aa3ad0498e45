"""What the server answers to the next messages of an account: the test decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .node import Node
from .state import AccountState


@dataclass
class AckPlan:
    """``delay`` in seconds; ``error`` a code, and then the message goes nowhere; ``silent``: no answer at all."""

    delay: float = 0
    error: int = 0
    silent: bool = False
    times: int = 1
    edit: str | None = None

    def fits(self, message: Node) -> bool:
        return self.edit is None or message.text("edit") == self.edit


NORMAL = AckPlan()


class AckPlans:
    def __init__(self, call: Callable[[Callable[[], None]], None]) -> None:
        self._call = call
        self._plans: dict[AccountState, list[AckPlan]] = {}

    def add(self, account: AccountState, plan: AckPlan) -> None:
        self._call(lambda: self._plans.setdefault(account, []).append(plan))

    def clear(self, account: AccountState) -> None:
        def forget() -> None:
            self._plans.pop(account, None)

        self._call(forget)

    def take(self, account: AccountState, message: Node) -> AckPlan:
        plans = self._plans.get(account)
        for plan in plans or ():
            if plan.fits(message):
                plan.times -= 1
                if plans and not plan.times:
                    plans.remove(plan)
                return plan
        return NORMAL
