from typing import Protocol


class Upkeep(Protocol):
    async def sweep(self) -> bool:
        """Take away a batch of what nobody can ask for any more; True if there may be more of it.

        Idempotency keys whose time is over, entries of the audit log that are too old, and deleted
        sessions whose runs have all ended, with all that these left behind. Any number of processes may sweep at once.
        """
