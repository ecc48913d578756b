"""The quotas editor: the real file, its own checker, the plan first, and nobody's work lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from channelsync.bootstrap import policy_of, setup_of
from channelsync.configuration.editing import MerchantFile
from channelsync.configuration.loading import load_bytes
from channelsync.domain.permissions import Role
from channelsync.engine.propose import Proposal
from channelsync.store import tables
from tests.support.desk import open_page
from tests.support.house import House
from tests.support.signed_in import Door
from tests.unit.configuration.samples import surroundings

FILE = """\
version: 1
locations:
  dc: {name: DC}
  soho: {name: SoHo}
channels:
  # ours
  a:
    connector: square
    settings: {access_token: "${SQUARE_TOKEN}", location_id: L1, webhook_key: "${SQUARE_KEY}"}
  b:
    connector: square
    settings: {access_token: "${SQUARE_TOKEN}", location_id: L2, webhook_key: "${SQUARE_KEY}"}
allocation:
  quotas: {a: 50%, b: 30%}   # a sells more
  rules:
    - name: cups
      skus: ["CUP*"]
      quotas: {b: 100%}
"""
SECRETS = {"SQUARE_TOKEN": "sq-token", "SQUARE_KEY": "sq-key"}


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def proposed(content: bytes) -> Proposal:
    known = load_bytes(content, surroundings(environment=SECRETS), name="proposed")
    return Proposal(setup=setup_of(known), policy=policy_of(known))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "shop" / "channelsync.yaml"
    found.parent.mkdir()
    found.write_text(FILE, encoding="utf-8")
    return found


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def door(house: House, path: Path, told: list[str]) -> Door:
    options = {
        "merchant_file": MerchantFile(path),
        "read_proposal": proposed,
        "file_written": lambda: told.append("written"),
    }
    return Door(house, options)


async def test_item_18_numbers_are_changed_where_they_stand_planned_and_applied_once(
    house: House, door: Door, path: Path, told: list[str]
) -> None:
    await house.settle_down()
    async with door.as_user("boss", Role.MANAGER) as client:
        page = await open_page(client, "/quotas")
        assert page.status == 200
        form = {"quotas:a": "20", "quotas:b": "60", "limits:a:cap": "15", "what": "shares"}
        preview = await page.send("/quotas/preview", form, having="quotas:a")
        assert preview.status == 200, preview.text
        assert "a draft: nothing is written yet" in preview.text
        for words in ("What it would do now", "Lines that change", "Target then"):
            assert words in preview.text
        assert text_of(path) == FILE
        fields = dict(preview.form("/quotas/apply").fields)
        done = await preview.post("/quotas/apply", fields)
        assert "Written." in done.text
        again = await preview.post("/quotas/apply", fields)
        assert "Written." in again.text
    after = FILE.replace("{a: 50%, b: 30%}   # a sells more", "{a: 20%, b: 60%}   # a sells more")
    assert text_of(path) == after.replace(
        "# a sells more\n", "# a sells more\n  limits: {a: {cap: 15}}\n"
    )
    (entry,) = [row for row in await house.rows(tables.audit) if row.action == "configuration.edit"]
    before, then = json.loads(entry.before), json.loads(entry.after)
    assert entry.actor == "user:boss"
    assert before["lines"] == ["14:   quotas: {a: 50%, b: 30%}   # a sells more"]
    assert len(then["lines"]) == 2
    assert before["sha256"] != then["sha256"]
    assert told == ["written", "written"]


async def test_what_is_wrong_is_told_at_its_field_and_at_its_line_and_nothing_is_written(
    door: Door, path: Path
) -> None:
    async with door.as_user("boss", Role.MANAGER) as client:
        page = await open_page(client, "/quotas")
        shares = {"what": "shares", "quotas:a": "half", "limits:b:cap": "-1"}
        wrong = await page.send("/quotas/preview", shares, having="quotas:a")
        assert wrong.status == 422
        assert "a percentage from 0% to 100% is wanted" in wrong.text
        assert 'id="field-limits-b-cap-error"' in wrong.text
        assert 'value="half"' in wrong.text
        over = {"what": "shares", "quotas:a": "90"}
        sums = await page.send("/quotas/preview", over, having="quotas:a")
        assert (sums.status, "120%" in sums.text) == (422, True)
        typed = FILE.replace(
            "connector: square\n    settings: {access_token", "conector: x\n    x: {y", 1
        )
        lines = await page.send("/quotas/preview", what="text", text=typed, having="text")
        assert lines.status == 422
        assert 'data-line="8"' in lines.text
        assert "did you mean &#34;connector&#34;?" in lines.text
        assert "conector: x" in lines.form("/quotas/preview", "text").fields["text"][0]
        broken = await page.send("/quotas/preview", what="text", text="a: [1", having="text")
        assert (broken.status, "Not right yet" in broken.text) == (422, True)
        fields = dict(page.form("/quotas/preview", "text").fields) | {"text": [typed]}
        refused = await page.post("/quotas/apply", fields)
        assert refused.status == 422
    assert text_of(path) == FILE


async def test_two_who_edit_at_once_lose_nothing(door: Door, path: Path) -> None:
    theirs = FILE.replace("b: 30%", "b: 25%")
    async with door.as_user("boss", Role.MANAGER) as client:
        page = await open_page(client, "/quotas")
        mine = await page.send(
            "/quotas/preview", {"what": "shares", "quotas:a": "40"}, having="quotas:a"
        )
        put(path, theirs)
        refused = await mine.send("/quotas/apply")
        assert refused.status == 409
        assert "changed meanwhile by somebody else" in refused.text
        assert "b: 25%" in refused.text
        assert text_of(path) == theirs
        late = await page.send("/quotas/preview", what="text", text=FILE, having="text")
        assert "changed meanwhile by somebody else" in late.text
        knowingly = await refused.send("/quotas/apply")
        assert "Written." in knowingly.text
    assert "a: 40%, b: 30%" in text_of(path)


async def test_a_rule_has_a_sheet_of_its_own_and_a_draft_goes_with_it(
    door: Door, path: Path
) -> None:
    async with door.as_user("boss", Role.MANAGER) as client:
        page = await open_page(client, "/quotas")
        first = await page.send(
            "/quotas/preview", {"what": "shares", "quotas:a": "45"}, having="quotas:a"
        )
        rule = await first.send("/quotas/preview", what="rule", rule="0", having="rule")
        fields = rule.form("/quotas/preview", "quotas:a").fields
        assert (fields["quotas:a"], fields["quotas:b"], fields["rule"]) == ([""], ["100"], ["0"])
        second = await rule.send(
            "/quotas/preview", {"what": "shares", "quotas:b": "80"}, having="quotas:a"
        )
        assert "Written." in (await second.send("/quotas/apply")).text
        gone = await page.send("/quotas/preview", what="rule", rule="7", having="rule")
        assert gone.status == 200
    text = text_of(path)
    assert "quotas: {a: 45%, b: 30%}" in text
    assert "quotas: {b: 80%}" in text


async def test_a_file_that_cannot_be_written_is_offered_for_download(
    house: House, tmp_path: Path
) -> None:
    odd = Path("/proc/self/comm")
    door = Door(house, {"merchant_file": MerchantFile(odd), "read_proposal": proposed})
    async with door.as_user("boss", Role.MANAGER) as client:
        page = await open_page(client, "/quotas")
        assert "This program cannot write the file" in page.text
        preview = await page.send("/quotas/preview", what="text", text=FILE, having="text")
        assert not preview.has_form("/quotas/apply")
        got = await preview.send("/quotas/download")
        assert got.text == FILE
        assert "attachment" in got.answer.headers["content-disposition"]
        fields = dict(preview.form("/quotas/download").fields)
        refused = await preview.post("/quotas/apply", fields)
        assert (refused.status, "cannot be written" in refused.text) == (409, True)
        assert refused.has_form("/quotas/download")


async def test_secrets_that_stood_in_the_file_are_not_in_the_trail(
    house: House, door: Door, path: Path
) -> None:
    put(path, FILE.replace('"${SQUARE_KEY}"', "sk-live-0123456789abcdef"))
    async with door.as_user("boss", Role.MANAGER) as client:
        page = await open_page(client, "/quotas")
        assert "Not right yet" in page.text
        fixed = await page.send("/quotas/preview", what="text", text=FILE, having="text")
        assert "Written." in (await fixed.send("/quotas/apply")).text
    assert "sk-live" not in str(await house.rows(tables.audit))


async def test_only_who_may_configure_sees_it_and_without_a_file_there_is_none(
    house: House, door: Door, path: Path
) -> None:
    async with door.as_user("boss", Role.MANAGER) as client:
        fields = dict((await open_page(client, "/quotas")).form("/quotas/preview", "text").fields)
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, "/quotas")
        assert page.status == 403
        fields |= {"text": [FILE.replace("50%", "1%")], "csrf_token": ["guessed"]}
        assert (await page.post("/quotas/apply", fields)).status == 403
        assert 'href="/quotas"' not in (await open_page(client, "/repairs")).text
    bare = Door(house)
    async with bare.as_user("boss", Role.MANAGER) as client:
        page = await open_page(client, "/quotas")
        assert (page.status, "without a file to edit" in page.text) == (404, True)
    assert text_of(path) == FILE
