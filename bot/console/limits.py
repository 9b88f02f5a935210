"""How often somebody may try to sign in: so many failures for an account and for an address, then a pause."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

WINDOW_SECONDS = 900.0
PER_ACCOUNT = 5
PER_ADDRESS = 30  # looser: a whole company may sit behind one address
REMEMBERED = 10_000  # accounts and addresses; made-up names must not fill the memory


@dataclass
class Attempts:
    """Failed sign-ins of the last minutes, in memory: a restart forgets them."""

    clock: Callable[[], float] = time.monotonic
    _failed: OrderedDict[str, list[float]] = field(default_factory=OrderedDict)

    def seconds_to_wait(self, account: str, address: str) -> float:
        """How long nobody from *address* may try *account*; 0: they may now."""
        waits = (self._wait(f"account {account}", PER_ACCOUNT), self._wait(f"address {address}", PER_ADDRESS))
        return max(waits)

    def failed(self, account: str, address: str) -> None:
        """Count an attempt; it is counted before the password is looked at, so that many at once gain nothing."""
        for key in (f"account {account}", f"address {address}"):
            self._failed.setdefault(key, []).append(self.clock())
            self._failed.move_to_end(key)
        while len(self._failed) > REMEMBERED:
            self._failed.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Forget the failures of an account, and the attempt that was none for its address."""
        self._failed.pop(f"account {account}", None)
        if times := self._failed.get(f"address {address}"):
            times.pop()

    def _wait(self, key: str, limit: int) -> float:
        times = [at for at in self._failed.get(key, ()) if at > self.clock() - WINDOW_SECONDS]
        if key in self._failed:
            self._failed[key] = times
        return times[-limit] + WINDOW_SECONDS - self.clock() if len(times) >= limit else 0.0
