"""The referee: what processes may do to each other and to the marketplaces.

I13 all processes together keep to a channel's rate. I14 nobody takes a lease from a living holder
before it ends, a lease that was given up never stands again, and whoever commits that a request is
about to leave holds the channel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from channelsync.rehearsal.process import Process
from channelsync.rehearsal.stage import Stage

__all__ = ["Referee"]

_LEASES: Final = (
    "SELECT kind, key, lease_token, lease_until FROM work WHERE lease_token IS NOT NULL"
)
_STARTED: Final = (
    "SELECT a.id, a.owner, r.channel FROM attempts a JOIN requests r ON r.id = a.request_id"
    " WHERE a.id > ? ORDER BY a.id"
)
_LAST: Final = "SELECT COALESCE(MAX(id), 0) FROM attempts"
SLACK_SECONDS: Final = 1.0
"""How far a process's idea of the time may be off."""
WINDOW_SECONDS: Final = 60.0
BURST_SECONDS: Final = 2.0
"""A process may save up requests of so many seconds."""
_Lease = tuple[str, float]


@dataclass(slots=True)
class Referee:
    """Watches over the shoulders of all processes."""

    stage: Stage
    rows: Callable[..., list[tuple[object, ...]]]
    """Reads what is committed."""
    alive: Callable[[], Collection[Process]]
    _leases: dict[tuple[str, str], _Lease] = field(default_factory=dict)
    _given_up: set[tuple[str, str, str]] = field(default_factory=set)
    _started_to: int = 0
    _asked: dict[str, deque[float]] = field(default_factory=dict)
    _born: deque[float] = field(default_factory=deque)

    def restored(self) -> None:
        """Other books: what they say of leases and attempts is how it was then."""
        self._leases.clear()
        self._given_up.clear()
        [(last,)] = self.rows(_LAST)
        self._started_to = int(str(last))

    # ------------------------------------------------------------ I14

    def look(self, process: Process, touched: Collection[str]) -> None:
        """Check what a commit of this process did to leases and attempts."""
        if "work" in touched:
            self._fenced(process)
        if "attempts" in touched:
            self._sent_by_holder(process)

    def _fenced(self, process: Process) -> None:
        now = self.stage.now()
        holders = {one.owner for one in self.alive() if one.alive}
        leases: dict[tuple[str, str], _Lease] = {
            (str(kind), str(key)): (str(token), float(str(until)))
            for kind, key, token, until in self.rows(_LEASES)
        }
        for name, (token, until) in self._leases.items():
            if leases.get(name, ("",))[0] == token:
                continue
            holder = token.partition("/")[0]
            fair = holder == process.owner or until <= now + SLACK_SECONDS or holder not in holders
            said = f"{process.owner} took {name} from {holder}, who held it until {until:.1f}"
            self._check("I14 fenced", holds=fair, what=said)
            self._given_up.add((*name, token))
        for name, (token, _) in leases.items():
            said = f"{token} holds {name} again"
            self._check("I14 over for good", holds=(*name, token) not in self._given_up, what=said)
        self._leases = leases

    def _sent_by_holder(self, process: Process) -> None:
        for key, owner, channel in self.rows(_STARTED, self._started_to):
            self._started_to = int(str(key))
            token, _ = self._leases.get(("publish", str(channel)), ("nobody", 0.0))
            fair = owner == process.owner == token.partition("/")[0]
            said = f"{owner} sends to {channel}, which {token} holds"
            self._check("I14 one sender", holds=fair, what=said)

    # ------------------------------------------------------------ I13

    def born(self) -> None:
        """A process begins with what it may have saved up."""
        self._born.append(self.stage.loop.time())

    def asked(self, channel: str, rate: float) -> None:
        """A request leaves for a channel that allows so many a second."""
        now = self.stage.loop.time()
        asked = self._asked.setdefault(channel, deque())
        asked.append(now)
        while asked[0] < now - WINDOW_SECONDS:
            asked.popleft()
        while self._born and self._born[0] < now - WINDOW_SECONDS:
            self._born.popleft()
        bursts = len(self.alive()) + len(self._born)
        allowed = rate * WINDOW_SECONDS + bursts * max(BURST_SECONDS * rate, 2.0)
        said = (
            f"{len(asked)} requests to {channel} in {WINDOW_SECONDS:.0f} s, {allowed:.0f} allowed"
        )
        self._check("I13 rate", holds=len(asked) <= allowed, what=said)

    def _check(self, invariant: str, *, holds: bool, what: str) -> None:
        self.stage.checks[invariant] += 1
        if not holds:
            self.stage.violated(f"{invariant}: {what}")
