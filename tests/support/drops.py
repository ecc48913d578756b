"""A till that hands over files: its folder, its files, and a disk that breaks where it is told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from typing_extensions import override

from channelsync.domain.allocation_rules import Rule
from channelsync.engine.policy import Policy
from channelsync.engine.setup import ChannelSetup, LocationSetup, Setup, apply_setup
from channelsync.engine.work import WorkKind, mark
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.http import http_client
from channelsync.store import tables
from channelsync_pos.connector import MANIFEST
from channelsync_pos.drop.channel import TillChannelWithFolder, open_folder
from channelsync_pos.drop.disk import Disk
from channelsync_pos.settings import TillSettings
from channelsync_pos.times import iso
from tests.support.house import House

COLUMNS = "register_id,sequence,sale_id,line_id,type,occurred_at,location,sku,quantity\n"


class PowerCut(Exception):
    """The machine stops here."""


@dataclass
class FragileDisk(Disk):
    """Stops the machine before its k-th change of a file; counts them."""

    breaks_at: int | None = None
    changes: int = 0

    def _change(self) -> None:
        self.changes += 1
        if self.changes == self.breaks_at:
            raise PowerCut

    @override
    def move(self, source: Path, target: Path) -> bool:
        self._change()
        return super().move(source, target)

    @override
    def write(self, path: Path, content: bytes) -> None:
        self._change()
        if self.changes + 1 == self.breaks_at:
            path.with_name(f"{path.name}.part").write_bytes(content[: len(content) // 2])
        self._change()
        super().write(path, content)


@dataclass
class DropTill:
    """A till of the house that hands over files."""

    house: House
    root: Path
    settings: TillSettings
    disk: FragileDisk = field(default_factory=FragileDisk)

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    def names(self, folder: str) -> list[str]:
        """Files of a folder, hidden ones left out."""
        return sorted(one.name for one in (self.root / folder).iterdir() if one.is_file())

    async def open(self) -> TillChannelWithFolder:
        """Open (or, after a crash, open anew) the channel."""
        context = ChannelContext(
            channel="till",
            settings=self.settings,
            http=http_client(allowed_hosts=()),
            now=self.house.clock,
            new_id=lambda: "id",
            folder=self.root,
        )
        channel = await open_folder(context, self.settings, self.disk)
        await context.http.aclose()
        self.house.channels.running["till"] = RunningChannel(
            name="till",
            manifest=MANIFEST,
            channel=channel,
            quarantine_seconds=0.0,
            poll_interval_seconds=60.0,
            quiet_limit_seconds=900.0,
        )
        return channel

    async def poll(self) -> None:
        """Have the inbox looked at now, whatever failed before."""
        engine = self.house.engine
        async with engine.database.write() as tx:
            await mark(tx, WorkKind.POLL, "till", not_before=0.0)
            freed = {"lease_until": None, "lease_token": None, "not_before": 0.0}
            work = tables.work
            await tx.execute(sa.update(work).where(work.c.kind == WorkKind.POLL).values(freed))
        await self.house.settle_down()

    def drop(self, name: str, *rows: str, closed: float | None = None, total: bool = True) -> Path:
        """Put a file into the inbox, with the ZTOTAL that its rows have."""
        cells = [row.split(",") for row in rows]
        sold = [one for one in cells if one[4] == "SALE"]
        register = name.partition("_")[0]
        count, units = len({one[2] for one in sold}), sum(int(one[8]) for one in sold)
        at = iso(self.house.clock.at if closed is None else closed)
        end = f"{register},{count},,,ZTOTAL,{at},,,{units}\n" if total else ""
        path = self.inbox / name
        path.write_text(COLUMNS + "".join(row + "\n" for row in rows) + end, encoding="utf-8")
        return path

    def sale(self, number: int, units: int = 1, sku: str = "MUG", register: str = "T3") -> str:
        """A row: one line of one sale, a minute ago."""
        at = iso(self.house.clock.at - 60)
        return f"{register},{number},S{number},1,SALE,{at},,{sku},{units}"

    def count(self, number: int, units: int, sku: str = "MUG") -> str:
        """A row: so many lie there, half a minute ago."""
        at = iso(self.house.clock.at - 30)
        return f"T3,{number},,,COUNT,{at},,{sku},{units}"

    async def on_hand(self, sku: str = "MUG") -> int:
        query = sa.select(sa.func.sum(tables.stock.c.on_hand)).join(
            tables.items, tables.items.c.id == tables.stock.c.item_id
        )
        async with self.house.engine.database.read() as connection:
            found = await connection.execute(query.where(tables.items.c.sku == sku))
            return int(found.scalar_one())


def checksum(path: Path) -> Path:
    """Put the file's SHA-256 beside it, as `sha256sum` writes it."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    beside = path.with_name(f"{path.name}.sha256")
    beside.write_text(f"{digest}  {path.name}\n")
    return beside


async def open_drop_till(house: House, root: Path, **given: Any) -> DropTill:
    """A house with a till beside its shop, adopted, with MUG and PLATE listed."""
    settings = TillSettings(location="dc", drop_folder=True, **given)
    till = DropTill(house=house, root=root, settings=settings)
    await till.open()
    names = {"shop": "memory", "till": "pos"}
    setup = Setup(
        fingerprint="till",
        locations=(LocationSetup(code="dc", name="DC", pool="main", priority=0),),
        channels=tuple(
            ChannelSetup(name=name, connector=kind, pool="main", mode="live")
            for name, kind in names.items()
        ),
    )
    quotas = {"shop": 8_000, "till": 2_000}
    house.engine.policy = Policy(rules={"main": (Rule(name="default", quotas=quotas),)})
    await apply_setup(house.engine, setup)
    await house.settle_down(60, step=20)
    return till
