"""The day on which a channel's credential ends, in the merchant's own time zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from channelsync.configuration.changes import compare
from tests.unit.configuration.samples import loaded, refused

TILL = """\
version: 1
timezone: Europe/Berlin
locations: {soho: {}}
channels:
  till:
    connector: square
    settings:
      {access_token: "${SQUARE_TOKEN}", webhook_key: "${SQUARE_WEBHOOK_KEY}", location_id: L}
"""


def with_day(day: str) -> str:
    return f"{TILL}    credentials_expire: {day}\n"


def test_the_day_begins_in_the_files_time_zone() -> None:
    channel = loaded(with_day("2027-03-01")).channels["till"]
    assert channel.credentials_expire_at == datetime(2027, 2, 28, 23, tzinfo=UTC).timestamp()
    assert loaded(TILL).channels["till"].credentials_expire_at is None


def test_a_new_day_opens_nothing_anew() -> None:
    [change] = compare(loaded(TILL), loaded(with_day("2027-03-01"))).channels_changed
    assert change.keys == ("credentials_expire_at",)
    assert not change.reopens


@pytest.mark.parametrize(
    ("day", "said"),
    [("2027-02-30", "there is no such day"), ("soon", "a day is wanted, such as 2027-03-01")],
)
def test_what_is_no_day_is_refused(day: str, said: str) -> None:
    problem = refused(with_day(day)).problems[0]
    assert said in problem.message
    assert problem.path == ("channels", "till", "credentials_expire")
