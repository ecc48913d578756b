"""What is documented is what is: the page, the JSON of every command, the help."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.bootstrap import Application
from channelsync.cli.reference import reference_page
from channelsync.cli.shapes import FAILURE, FREE, MIXED, SHAPES
from channelsync.cli.tree import commands, common_options
from channelsync.store import tables
from tests.cli.shop import Shop
from tests.cli.test_channel_commands import bury, execute, remove_till
from tests.cli.test_exit_codes import corrupt
from tests.support.checkout import ROOT

PAGE = ROOT / "docs" / "reference" / "cli.md"
WITHOUT_SHAPE = {"run", "web", "worker"}


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), (
        "write it anew: python -m channelsync.cli.reference > docs/reference/cli.md"
    )


def test_every_command_documents_its_json() -> None:
    names = {" ".join(one.path) for one in commands()}
    assert names - WITHOUT_SHAPE == set(SHAPES)


def test_every_command_and_every_option_says_what_it_is_for() -> None:
    for one in commands():
        assert one.help, one.text
        silent = [option.names for option in one.options if not option.help]
        silent += [(argument.name,) for argument in one.arguments if not argument.help]
        assert silent == [], one.text


def test_every_option_but_a_consent_is_read_from_a_variable() -> None:
    without = {
        name
        for one in commands()
        for option in one.options
        if not option.variables
        for name in option.names
    }
    assert without == {"--yes", "--force"}


@pytest.mark.parametrize("one", commands(), ids=lambda one: one.text)
def test_every_command_has_help(one: Any, bare: Shop) -> None:
    done = bare.run(*one.path, "--help")
    assert done.code == 0
    assert f"Usage: {one.text}" in done.out
    assert "--json" in done.out


# ------------------------------------------------------------------ shapes


def differences(shape: Any, data: Any, path: str = "") -> Iterator[str]:
    """Where data is not of the documented shape. Null may stand where nothing is known."""
    name = path.rpartition(".")[2]
    if data is None or shape is None or name in MIXED:
        return
    if type(shape) is not type(data):
        yield f"{path}: {type(data).__name__} instead of {type(shape).__name__}"
    elif isinstance(shape, list):
        for one in data:
            yield from differences(shape[0], one, f"{path}[]")
    elif isinstance(shape, dict):
        yield from _members(shape, data, path, free=name in FREE)


def _members(
    shape: dict[str, Any], data: dict[str, Any], path: str, *, free: bool
) -> Iterator[str]:
    if not free and shape.keys() != data.keys():
        yield f"{path}: {sorted(shape.keys() ^ data.keys())} on one side only"
        return
    example = next(iter(shape.values()))
    for key, value in data.items():
        yield from differences(example if free else shape[key], value, f"{path}.{key}")


def filled(data: Any, path: str = "") -> Iterator[str]:
    """Every list of the answer that has something in it."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from filled(value, f"{path}.{key}")
    elif isinstance(data, list) and data:
        yield path
        for one in data:
            yield from filled(one, f"{path}[]")


def test_the_comparison_sees_what_differs() -> None:
    shape = {"a": 1, "b": [{"c": "x"}]}
    assert list(differences(shape, {"a": 2, "b": [{"c": "y"}, {"c": None}]})) == []
    assert list(differences(shape, {"a": "2", "b": [{"d": "y"}]})) == [
        ".a: str instead of int",
        ".b[]: ['c', 'd'] on one side only",
    ]


def hold(shop: Shop) -> None:
    """A cart that keeps two units; an alarm; an order line of an unknown offer; a refused offer."""

    async def run(application: Application) -> None:
        now = application.engine.now()
        held = {"id": "h1", "pool": "main", "owner": "cart-17", "state": "active"}
        times = {"created_at": now, "expires_at": now + 900}
        line = {"hold_id": "h1", "item_id": 1, "location_id": 1, "units": 2}
        alarm = {"kind": "feed_quiet", "subject": "x", "message": "quiet", "raised_at": now}
        refused = {"channel": "amazon-us", "sku": "IPHONE-16", "semantics": "keyed_delta"}
        async with application.engine.database.write() as tx:
            await tx.execute(sa.insert(tables.holds).values(held | times))
            await tx.execute(sa.insert(tables.hold_lines).values(line))
            await tx.execute(sa.insert(tables.alarms).values(alarm))
            state = {"state": "refused", "refusal": "two offers have this SKU"}
            await tx.execute(sa.insert(tables.listings).values(refused | state))

    shop.work(run)


STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("items add", ("IPHONE-16", "--name", "next")),
    ("items rename", ("IPHONE-16", "IPHONE-17")),
    ("items rename", ("IPHONE-17", "IPHONE-16")),
    ("items list", ()),
    ("status", ()),
    ("explain", ("IPHONE-15",)),
    ("explain", ("IPHONE-16",)),
    ("plan", ()),
    ("plan", ("IPHONE-16",)),
    ("orders", ()),
    ("ship", ("shopify-us", "order-1", "--carrier", "DHL", "--tracking", "0034")),
    ("stock show", ("IPHONE-15",)),
    ("stock set", ("IPHONE-15", "90")),
    ("plan", ()),
    ("explain", ("IPHONE-15",)),
    ("stock count", ("IPHONE-15", "91")),
    ("stock adjust", ("IPHONE-15", "-1", "-r", "x")),
    ("stock safety", ("IPHONE-15", "4")),
    ("stock export", ()),
    ("holds list", ()),
    ("channels list", ()),
    ("channels test", ("amazon-us",)),
    ("channels pause", ("amazon-us",)),
    ("channels resume", ("amazon-us",)),
    ("deadletters list", ()),
    ("deadletters replay", ("1",)),
    ("deadletters drop", ("2", "--yes")),
    ("connectors list", ()),
    ("check", ()),
    ("simulate", ("--scenario", "busy", "--trials", "1")),
    ("db upgrade", ()),
    ("db current", ()),
    # as docs/how-to/production/growth.md shows them
    ("db prune", ("--dry-run",)),
    ("db prune", ()),
    ("db restored", ()),
)


def test_every_answer_has_its_documented_shape(shop: Shop) -> None:
    shop.daemon()
    hold(shop)
    bury(shop)
    bury(shop, 2)
    seen: set[str] = set()
    wrong: list[str] = []
    lists: set[str] = set()
    for name, arguments in STEPS:
        data = shop.json(*name.split(), *arguments)
        wrong += [f"{name}{one}" for one in differences(SHAPES[name], data)]
        lists |= {f"{name}{path}" for path in filled(data)}
        seen.add(name)
    assert wrong == []
    assert seen | ELSEWHERE == set(SHAPES)
    documented = {f"{name}{path}" for name in seen for path in filled(SHAPES[name])}
    assert documented - lists == NEVER_FILLED_HERE


ELSEWHERE = {
    "keys rotate",
    "secrets list",
    "secrets remove",
    "secrets set",
    "keys create",
    "keys list",
    "keys revoke",
    "users add",
    "users list",
    "users password",
    "users remove",
    "users second-factor-off",
    "db copy",
    "db fold",
    "doctor",
    "notify list",
    "notify test",
    "stock return",
    "stock transfer",
    "returns list",
    "transfers cancel",
    "transfers list",
    "transfers receive",
    "transfers ship",
    "stock import",
    "channels forget",
    "connectors new",
    "init",
    "verify",
    "db backup",
    "demo",
}
"""Tested below."""
NEVER_FILLED_HERE = {
    "channels list.channels[].broken",
    "check.warnings",
    "explain.pools[].listings[].settle_reasons",
    "status.channels[].broken",
}
"""Lists of the documented shapes that the steps above leave empty: all hold plain text."""


def kept_secrets(shop: Shop) -> dict[str, Any]:
    """The answers about what the store keeps sealed."""
    file = str(shop.write("a-token", "token"))
    return {
        "secrets set": shop.json("secrets", "set", "token", "--file", file),
        "secrets list": shop.json("secrets", "list"),
        "keys rotate": shop.json("keys", "rotate"),
        "secrets remove": shop.json("secrets", "remove", "token", "--yes"),
    }


def test_the_other_answers_have_their_documented_shape(shop: Shop) -> None:
    sheet = shop.write("sku,location,on_hand,name\nMUG,ny-dc,3,Mug\n", "mug.csv")
    answers = {
        "stock import": shop.json("stock", "import", str(sheet), "--create-items"),
        "db backup": shop.json("db", "backup", str(shop.folder / "copy.db")),
        "doctor": shop.run("doctor", "--offline", "--json").data,
        "init": shop.json("init", "--path", str(shop.folder / "new.yaml")),
        "connectors new": shop.json("connectors", "new", "acme", "--into", str(shop.folder)),
    }
    shop.write(
        shop.config.read_text().replace("ny-dc: {name: New York DC}", "ny-dc: {}\n  soho: {}")
    )
    answers |= moved_about(shop)
    answers |= let_in(shop)
    answers |= kept_secrets(shop)
    corrupt(shop)
    answers["verify"] = shop.run("verify", "--json").data
    assert answers["verify"]["findings"]
    repaired = shop.run("verify", "--repair", "--json").data
    remove_till(shop)
    answers["channels forget"] = shop.json("channels", "forget", "soho-till", "--yes")
    assert set(answers) | {"demo", "db copy", "db fold", "notify list", "notify test"} == ELSEWHERE
    answers["verify "] = repaired
    for name, data in answers.items():
        assert list(differences(SHAPES[name.strip()], data)) == [], name


def let_in(shop: Shop) -> dict[str, Any]:
    """Answers about users and keys."""
    secret = ("--password-file", str(shop.write("correct horse battery\n", "secret")))
    answers = {"users add": shop.json("users", "add", "ada", "--role", "admin", *secret)}
    kept = ("--channel", "amazon-us", "--location", "ny-dc")
    shop.json("users", "add", "bob", "--role", "operator", *kept, *secret)
    answers["users list"] = shop.json("users", "list")
    answers["users password"] = shop.json("users", "password", "bob", *secret)
    given = {"user_id": 2, "since": 1.0}
    execute(shop, sa.insert(tables.second_factors).values(given))
    answers["users second-factor-off"] = shop.json("users", "second-factor-off", "bob", "--yes")
    answers["users remove"] = shop.json("users", "remove", "bob", "--yes")
    scope = ("--scope", "holds:write")
    answers["keys create"] = shop.json("keys", "create", "web shop", *scope, *kept)
    answers["keys list"] = shop.json("keys", "list")
    revoked = shop.json("keys", "revoke", answers["keys create"]["key"]["id"])
    return answers | {"keys revoke": revoked}


def moved_about(shop: Shop) -> dict[str, Any]:
    """Answers about units between locations, and about units that came back."""
    shop.daemon(20)
    send = ("stock", "transfer", "MUG", "--from", "ny-dc", "--to", "soho", "--units", "1")
    answers = {"stock transfer": shop.json(*send)}
    answers["transfers receive"] = shop.json("transfers", "receive", "1", "0", "--lost", "1")
    keep = ("stock", "transfer", "IPHONE-15", "--from", "ny-dc", "--to", "soho", "--units", "90")
    for number, verb in enumerate(("cancel", "ship"), start=2):
        shop.json(*keep)
        forced = ("--force",) if verb == "ship" else ()
        answers[f"transfers {verb}"] = shop.json("transfers", verb, str(number), *forced)
    answers["transfers list"] = shop.json("transfers", "list", "--all")
    answers["stock return"] = shop.json("stock", "return", "MUG", "-l", "soho", "--sellable", "1")
    come_back(shop)
    answers["returns list"] = shop.json("returns", "list")
    assert answers["returns list"]["returns"]
    return answers


def come_back(shop: Shop) -> None:
    """An order that shipped, and came back without a word on what became of its units."""

    async def run(application: Application) -> None:
        async with application.engine.database.write() as tx:
            lines = tables.order_lines
            await tx.execute(sa.update(lines).values(shipped=lines.c.ordered, returned=1))

    shop.work(run)


def test_a_failure_has_its_documented_shape(shop: Shop) -> None:
    data = shop.run("explain", "NOPE", "--json").data
    assert list(differences(dict(FAILURE), data)) == []


# ------------------------------------------------------------------ commands in prose


def quoted_commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line in a code block of the README and the documentation, less the page."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        blocks = page.read_text(encoding="utf-8").split("```")[1::2] if page != PAGE else []
        for line in "\n".join(blocks).splitlines():
            found = re.match(r"^(?:\$ )?(?:\./run )?channelsync (.+?)(?:  +#.*)?$", line)
            if found:
                yield str(page.relative_to(ROOT)), shlex.split(found[1], comments=True)


@pytest.mark.parametrize(("page", "words"), list(quoted_commands()), ids=str)
def test_a_command_in_the_documentation_exists(page: str, words: list[str]) -> None:
    known = {one.path: one for one in commands()}
    found = known.get(tuple(words[:2])) or known.get(tuple(words[:1]))
    if found is None:
        assert words[0] in {"--help", "--version"}, f"{page}: channelsync {' '.join(words)}"
        return
    options = [*found.options, *common_options()]
    names = {name for option in options for name in option.names} | {"--help", "-h"}
    used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert used <= names, f"{page}: channelsync {' '.join(words)}"
