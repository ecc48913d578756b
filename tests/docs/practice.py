"""A practice house for pages: simulated shops that answer, and books with stock and orders in them.

What a page calls its own house is this one: a warehouse and a shop, a Shopify shop that is in step,
an order that has been shipped and has come back. The books are made once, by the program itself,
and copied for each page. A page that brings its own file has its Shopify shops led here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from channelsync_shopify.simulator import ShopifySimulator
from tests.docs.pages import Block
from tests.support.served import free_port, served
from tests.support.servers import Postgres, Redis, postgres_binaries

__all__ = ["Furnished", "Practice", "Street", "furnish", "practice_street"]

PATIENCE_SECONDS: Final = 60.0
TOKEN: Final = "practice-token"
SECRET: Final = "practice-secret"
TILL_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRONMENT: Final = {
    "SHOPIFY_TOKEN": TOKEN,
    "SHOPIFY_WEBHOOK_SECRET": SECRET,
    "SHOPIFY_EU_TOKEN": TOKEN,
    "SHOPIFY_EU_WEBHOOK_SECRET": SECRET,
    "TILL_SECRET": TILL_SECRET,
}
ITEMS: Final = ("MUG", "LAMP-1", "TEAPOT")
STOCK: Final = """\
sku,location,on_hand,safety_stock,name
MUG,ny-dc,100,,Mug
LAMP-1,ny-dc,20,,Lamp
TEAPOT,ny-dc,40,,Teapot
TEAPOT,soho,10,,Teapot
"""
CONFIG: Final = """\
version: 1
locations:
  ny-dc: {name: New York DC}
  soho: {name: SoHo shop}
channels:
  shopify-us:
    connector: shopify
    settings:
      shop: acme.myshopify.com
      access_token: "${SHOPIFY_TOKEN}"
      webhook_secret: "${SHOPIFY_WEBHOOK_SECRET}"
      location_id: 1
  soho-till:
    connector: pos
    settings: {webhook_secret: "${TILL_SECRET}", location: soho}
allocation:
  quotas: {shopify-us: 30%, soho-till: 20%}
"""
MORE: Final = """\
  shopify-eu:
    connector: shopify
    settings:
      shop: acme-eu.myshopify.com
      access_token: "${SHOPIFY_EU_TOKEN}"
      webhook_secret: "${SHOPIFY_EU_WEBHOOK_SECRET}"
      location_id: 1
allocation:
  quotas: {shopify-us: 30%, shopify-eu: 30%, soho-till: 20%}
"""
"""The file with one channel more, from `allocation` on."""
WITHOUT: Final = """\
version: 1
locations:
  ny-dc: {name: New York DC}
  soho: {name: SoHo shop}
channels:
  soho-till:
    connector: pos
    settings: {webhook_secret: "${TILL_SECRET}", location: soho}
allocation:
  quotas: {soho-till: 20%}
"""
"""The file with one channel less."""
HEAD: Final = "52307:5e8b3a…"
"""How pages call a head of the ledger that was told outside."""
ORDER: Final = "5539251585245"
"""How pages call the order that came back."""
SOON: Final = "visibility_lag_seconds: 0"
SHOP: Final = re.compile(r"\bshop: ([\w-]+\.myshopify\.com)(,?)")
LOCATION: Final = re.compile(r"\blocation_id: \S*?\d+")
CONNECTOR: Final = re.compile(r"^( *)connector: (shopify|pos)$", re.MULTILINE)

_Result = TypeVar("_Result")


@dataclass
class Street:
    """Simulated shops behind real sockets, in a thread of their own."""

    loop: asyncio.AbstractEventLoop
    stack: contextlib.AsyncExitStack
    path: str
    """PATH that finds the program."""

    def call(self, action: Coroutine[Any, Any, _Result]) -> _Result:
        """Do something in the street, and wait for it."""
        return asyncio.run_coroutine_threadsafe(action, self.loop).result(PATIENCE_SECONDS)

    def open(self, domain: str, counters: Mapping[str, int]) -> tuple[ShopifySimulator, str]:
        """A shop that shows these numbers, and its address."""
        shop = ShopifySimulator(domain=domain, access_token=TOKEN, client_secret=SECRET)
        for sku in ITEMS:
            shop.shop.add_item(sku, counters.get(sku, 0))
        return shop, self.call(self.stack.enter_async_context(served(shop.app)))


@dataclass
class Practice:
    """The house of one page."""

    street: Street
    folder: Path
    counters: Mapping[str, int] = field(default_factory=dict)
    shops: dict[str, tuple[ShopifySimulator, str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    """What pages call something, and what it is called here."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Variables of this house alone."""
    port: int = field(default_factory=free_port)

    def environment(self, *, all_of_it: bool = True) -> dict[str, str]:
        """What the operator of this house has set; a page may set the rest by itself."""
        kept = {name: value for name, value in os.environ.items() if "CHANNELSYNC_" not in name}
        kept |= {"PATH": self.street.path, "COLUMNS": "100", "NO_COLOR": "1"}
        if not all_of_it:
            return kept
        hosts = ",".join(url.removeprefix("http://") for _, url in self.shops.values())
        ours = {"CHANNELSYNC_PORT": str(self.port), "CHANNELSYNC_ALLOW_HOSTS": hosts}
        return {**kept, **ENVIRONMENT, **ours, **self.more}

    def lead_here(self, block: Block) -> Block:
        """A block of a page with the practice shops in its file."""
        is_file = block.language == "yaml" and block.option("file") is not None
        return replace(block, text=self._led_here(block.text)) if is_file else block

    def _led_here(self, text: str) -> str:
        """A merchant's file, its shops at their practice addresses, asked every second.

        What takes an hour with the real ones (checkouts, the order search) takes no time here.
        """

        def led(match: re.Match[str]) -> str:
            indent = match.start() - text.rfind("\n", 0, match.start()) - 1
            between = ", " if match[2] else "\n" + " " * indent
            url = f"base_url: {self.shop(match[1])[1]}"
            return between.join([f"shop: {match[1]}", url, SOON]) + match[2]

        text = SHOP.sub(led, text)
        if self.shops:
            [location] = {shop.location_id for shop, _ in self.shops.values()}
            text = LOCATION.sub(f"location_id: {location}", text)
        return CONNECTOR.sub(r"\g<0>\n\1poll_interval_seconds: 1\n\1quarantine_seconds: 1", text)

    def use(self, postgres: Postgres, redis: Redis) -> None:
        """Have real servers in the house, and the tools that come with the database.

        The database is this page's own: what another page left running may live a moment longer.
        """
        database = f"channelsync_{secrets.token_hex(4)}"
        self.names = {
            **self.names,
            "postgresql://channelsync:PASSWORD@db/channelsync": postgres.url(database),
            "createdb channelsync": f"createdb {database}",
            "monday.dump channelsync": f"monday.dump {database}",
            "redis://redis:6379/0": redis.url,
            "/run/secrets/secret_key": str(self.folder / "secret_key"),
            "8485": str(free_port()),
        }
        self.more = {
            "PGHOST": str(postgres.folder),
            "PGUSER": "postgres",
            "PATH": os.pathsep.join([str(postgres_binaries()), self.street.path]),
        }

    def shop(self, domain: str) -> tuple[ShopifySimulator, str]:
        """The shop of that name, opened when it is first asked for."""
        if domain not in self.shops:
            known = self.counters if domain == "acme.myshopify.com" else {}
            self.shops[domain] = self.street.open(domain, known)
        return self.shops[domain]

    def command(self, *arguments: str) -> str:
        """Run a command of ours in the house; it must succeed."""
        done = subprocess.run(
            ["channelsync", *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment(),
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def write(self) -> None:
        """The house's own files: a page finds them in its folder."""
        files = {
            "channelsync.yaml": CONFIG,
            "with-shopify-eu.yaml": CONFIG[: CONFIG.index("allocation:")] + MORE,
            "without-shopify-us.yaml": WITHOUT,
        }
        for name, text in files.items():
            (self.folder / name).write_text(self._led_here(text), encoding="utf-8")
        (self.folder / "stock.csv").write_text(STOCK, encoding="utf-8")


@contextlib.contextmanager
def practice_street(path: str) -> Iterator[Street]:
    """The street for as long as the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="practice street")
    thread.start()
    street = Street(loop, contextlib.AsyncExitStack(), path)
    try:
        yield street
    finally:
        street.call(street.stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass(frozen=True, slots=True)
class Furnished:
    """A house to make copies of."""

    folder: Path
    counters: Mapping[str, int]
    names: Mapping[str, str]

    def copy(self, street: Street, folder: Path) -> Practice:
        """A house of its own."""
        shutil.copytree(self.folder / ".channelsync", folder / ".channelsync")
        shutil.copy(self.folder / "heads.jsonl", folder)
        house = Practice(street, folder, self.counters, names=self.names)
        house.write()
        return house


def furnish(street: Street, folder: Path) -> Furnished:
    """Make the books, by the program itself."""
    house = Practice(street, folder)
    house.write()
    yesterday = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86_400))
    house.command("stock", "import", "stock.csv", "--create-items", "--at", yesterday)
    shop, _ = house.shop("acme.myshopify.com")
    with (folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["channelsync", "run"], cwd=folder, env=house.environment(), stdout=log, stderr=log
        )
    try:
        _until(lambda: all(shop.shop.available(sku) for sku in ITEMS), folder)
        mugs = street.call(shop.shop.buy("MUG", 3))
        street.call(shop.shop.buy("LAMP-1", 2))
        assert mugs is not None
        _until(lambda: len(_listed(house, "orders")) == 2, folder)
        street.call(shop.shop.fulfil(mugs))
        street.call(shop.shop.refund(mugs, "MUG", 2, "NO_RESTOCK"))
        _until(lambda: bool(_listed(house, "returns", "list")), folder)
        _until(lambda: _ledger(house)["position"] > 0, folder)
    finally:
        daemon.terminate()
        daemon.wait()
    shown = {sku: shop.shop.available(sku) for sku in ITEMS}
    told = {key: value for key, value in _ledger(house).items() if key in {"position", "digest"}}
    (folder / "heads.jsonl").write_text(json.dumps(told), encoding="utf-8")
    head = f"{told['position']}:{told['digest']}"
    return Furnished(folder, shown, {ORDER: mugs.rpartition("/")[2], HEAD: head})


def _listed(house: Practice, *command: str) -> list[Any]:
    found = json.loads(house.command(*command, "--json"))
    return next(iter(found.values()))


def _ledger(house: Practice) -> Any:
    return json.loads(house.command("verify", "--json"))["ledger"]


def _until(holds: Callable[[], bool], folder: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, (folder / "daemon.log").read_text(encoding="utf-8")
        time.sleep(0.05)
