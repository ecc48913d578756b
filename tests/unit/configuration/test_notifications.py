"""Who is told what, as the file says it; and what is wrong with it, without showing an address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from channelsync.configuration.changes import compare
from channelsync.domain.notices import NOTICE_KINDS
from tests.unit.configuration import samples
from tests.unit.configuration.samples import SMALL, loaded, refused

ADDRESS = "ntfys://a-topic-that-nobody-guesses"
FULL = """\
timezone: Europe/Berlin
notifications:
  targets: {owner: "${OWNER_URL}", boss: "${OWNER_URL}"}
  low_stock: 5
  mute_until: 2027-01-01T08:00:00
  rules:
    - {name: at once, to: [owner], when: [shortfall, feed_quiet], after: 5m}
    - {name: daily, to: [boss, owner], digest: 1d, ends: true}
"""


ENVIRONMENT = {**samples.ENVIRONMENT, "OWNER_URL": ADDRESS}


def test_what_the_file_says_is_what_is_done() -> None:
    configuration = loaded(SMALL + FULL, environment=ENVIRONMENT)
    policy = configuration.notices
    assert (policy.low_stock, policy.muted_until) == (5, 1_798_786_800.0)
    once, daily = policy.rules
    assert once.kinds == {"shortfall", "feed_quiet"}
    assert (once.after_seconds, once.digest_seconds, once.tells_ends) == (300.0, 0.0, False)
    assert (daily.targets, daily.kinds) == (("boss", "owner"), NOTICE_KINDS)
    assert (daily.digest_seconds, daily.tells_ends) == (86_400.0, True)
    assert configuration.notice_targets["owner"].get_secret_value() == ADDRESS
    assert ADDRESS not in str(configuration.as_json())


def test_without_a_word_nobody_is_told() -> None:
    configuration = loaded(SMALL)
    assert configuration.notices.rules == ()
    assert configuration.notice_targets == {}


def test_a_change_is_named_and_opens_no_channel_anew() -> None:
    old = loaded(SMALL + FULL, environment=ENVIRONMENT)
    change = compare(
        old, loaded(SMALL + FULL.replace("low_stock: 5", "low_stock: 6"), environment=ENVIRONMENT)
    )
    assert change.lines() == ("notifications changed",)
    assert not replace(change, notifications_changed=False).lines()
    elsewhere = {**ENVIRONMENT, "OWNER_URL": "ntfys://another-topic"}
    fresh = loaded(SMALL + FULL, environment=elsewhere)
    assert compare(old, fresh).notifications_changed, "a new address as well"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"${OWNER_URL}", boss', f'"{ADDRESS}", boss', "an address holds a password"),
        ('"${OWNER_URL}", boss', '"${NOBODY}", boss', "NOBODY is not set"),
        ('"${OWNER_URL}", boss', '"${SQUARE_TOKEN}", boss', "no address that Apprise knows"),
        ("to: [owner]", "to: [ownr]", 'there is no target "ownr"'),
        ("feed_quiet]", "feed_quite]", "there is no such kind of thing"),
        ("ends: true", "ends: true, channels: [moon]", 'there is no channel "moon"'),
        ("name: daily", "name: at once", 'there is another rule "at once"'),
        ("to: [owner]", "to: []", "at least 1"),
        ("digest: 1d", "digest: daily", "a duration is wanted"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(old: str, new: str, said: str) -> None:
    assert old in FULL
    text = refused(SMALL + FULL.replace(old, new, 1), environment=ENVIRONMENT).text()
    assert said in text
    for secret in (ADDRESS, samples.ENVIRONMENT["SQUARE_TOKEN"]):
        assert secret not in text
