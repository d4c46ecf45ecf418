"""A circuit breaker: no waiting for a service that is known to be away."""

from polyagent.adapters.openai.failures import Silent
from polyagent.ports.clock import Clock

FAILURES = 5
PAUSE_S = 1.0


class Breaker:
    """Opens after `FAILURES` silences in a row; then one call every `PAUSE_S` may try, till one is answered.

    A trial holds no place that somebody would have to give back: the next one comes a pause later.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._trial_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES

    def admit(self) -> None:
        """Raises `Silent` while the service is thought to be away."""
        if not self.is_open:
            return
        now = self._clock.monotonic()
        if now < self._trial_at:
            raise Silent("The model service has not answered for a while.", retry_after_s=PAUSE_S)
        self._trial_at = now + PAUSE_S

    def answered(self) -> None:
        self._failures = 0

    def silent(self) -> None:
        self._failures += 1
        if self._failures == FAILURES:
            self._trial_at = self._clock.monotonic() + PAUSE_S
