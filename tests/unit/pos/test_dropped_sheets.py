"""A dropped file is read as a whole, or refused with every mistake and its row."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync_pos.drop.errors import SheetRefused
from channelsync_pos.drop.sheet import Report, read_report
from channelsync_pos.mapping import Mapping, joined
from channelsync_pos.wire import CountEvent, ReturnEvent, SaleEvent, VoidEvent
from tests.support.till import NOW

HEADER = (
    "register_id,sequence,sale_id,line_id,type,occurred_at,location,sku,quantity,unit_price,"
    "currency,original_sale_id,restock\n"
)
DAY = (
    "T3,871,S1,1,SALE,2026-11-21T09:58:11Z,soho,MUG-RED,2,9.90,EUR,,\n"
    "T3,871,S1,2,SALE,2026-11-21T09:58:11Z,soho,=PLATE,1,4.00,EUR,,\n"
    "T3,872,R1,1,RETURN,2026-11-21T10:00:00+01:00,,MUG-RED,1,9.90,EUR,S0,true\n"
    "T3,873,S0,,VOID,2026-11-21T09:59:00Z,,,,,,,\n"
    "T3,874,,,COUNT,2026-11-21T08:00:00Z,soho,BOWL,0,,,,\n"
    "T3,874,,,COUNT,2026-11-21T08:00:00Z,soho,MUG-RED,12,,,,\n"
)
TOTAL = "T3,1,,,ZTOTAL,2026-11-21T09:59:59Z,,,3,,,,\n"


def read(text: str | bytes, zone: str | None = None, register: str = "T3") -> Report:
    content = text if isinstance(text, bytes) else text.encode()
    where = ZoneInfo(zone) if zone else None
    return read_report(content, register_id=register, zone=where, now=NOW)


def mistakes(text: str | bytes, **given: Any) -> list[str]:
    with pytest.raises(SheetRefused) as caught:
        read(text, **given)
    return [error.text for error in caught.value.errors]


@pytest.mark.parametrize("begin", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_day_of_a_register_is_what_its_webhooks_would_tell(begin: str, end: str) -> None:
    report = read(begin + (HEADER + DAY + TOTAL).replace("\n", end))
    sale, came_back, void, count = report.events
    assert isinstance(sale, SaleEvent)
    assert (sale.sequence, sale.sale_id, sale.location) == (871, "S1", "soho")
    assert [(line.line_id, line.sku, line.quantity) for line in sale.lines] == [
        ("1", "MUG-RED", 2),
        ("2", "=PLATE", 1),
    ]
    assert isinstance(came_back, ReturnEvent)
    assert (came_back.return_id, came_back.sale_id) == ("R1", "S0")
    assert came_back.lines[0].restock
    assert came_back.occurred_at == NOW - 3_600, "its own offset counts"
    assert isinstance(void, VoidEvent)
    assert isinstance(count, CountEvent)
    assert [(line.sku, line.quantity) for line in count.lines] == [("BOWL", 0), ("MUG-RED", 12)]
    assert report.closed_at == NOW - 1


def test_no_price_and_no_currency_survive() -> None:
    told = joined(Mapping("soho").parsed(event) for event in read(HEADER + DAY + TOTAL).events)
    assert "9.9" not in repr(told)
    assert "EUR" not in repr(told)


def test_columns_may_be_missing_or_in_another_order() -> None:
    text = (
        "type,sku,quantity,register_id,sequence,sale_id,line_id,occurred_at\n"
        "SALE,MUG,2,T3,1,S1,1,2026-11-21T09:00:00Z\n"
        "\n"
        "ZTOTAL,,2,T3,1,,,2026-11-21T09:59:00Z\n"
    )
    (sale,) = read(text).events
    assert isinstance(sale, SaleEvent)
    assert sale.location is None


def test_a_file_that_was_cut_off_is_refused_as_a_whole() -> None:
    assert mistakes(HEADER + DAY) == [
        "row 7, type: the last row is no ZTOTAL: the file was cut off, or is not finished"
    ]
    assert mistakes(HEADER) == [
        "row 1, type: the last row is no ZTOTAL: the file was cut off, or is not finished"
    ]
    text = HEADER + DAY + TOTAL
    for cut in range(len(HEADER), len(text) - 1):
        with pytest.raises(SheetRefused):
            read(text[:cut])


def test_totals_that_differ_park_the_whole_file() -> None:
    wrong = TOTAL.replace("T3,1,", "T3,2,").replace(",,,3,", ",,,4,")
    assert mistakes(HEADER + DAY + wrong) == [
        "row 8, quantity: ZTOTAL tells of 4 units sold, the rows of 3",
        "row 8, sequence: ZTOTAL tells of 2 sales, the rows of 1",
    ]


def test_every_mistake_is_named_with_its_row_and_column() -> None:
    text = (
        HEADER
        + "T3,1,S1,1,SALE,yesterday,soho,MUG,2,,,,\n"
        + "T3,x,S2,1,SALE,2026-11-21T09:00:00Z,soho,,1.5,,,,\n"
        + "T3,3,S3,1,SOLD,2026-11-21T09:00:00Z,soho,MUG,1,,,,\n"
        + "T3,4,S4,1,SALE,2026-11-21T09:00:00Z,soho,MUG,-1,,,,\n"
        + "T3,5,R5,1,RETURN,2026-11-21T09:00:00Z,soho,MUG,1,,,,perhaps\n"
        + "T3,6,S6,1,SALE,2026-11-21T11:00:00Z,soho,MUG,1,,,,\n"
        + "T3,7,S7,1,SALE\n"
        + "T3,8,S/8,1,SALE,2026-11-21T09:00:00,soho,MUG,1,,,,\n"
    )
    assert mistakes(text) == [
        "row 2, occurred_at: not an ISO 8601 time like 2026-11-21T09:58:11Z",
        "row 3, quantity: a fraction: only whole units can be kept; sell weighed goods by the gram",
        "row 3, sequence: write a whole number in digits",
        "row 3, sku: it is empty, too long, or has characters that may not be",
        "row 4, type: write SALE, RETURN, VOID, COUNT or ZTOTAL",
        'row 5, quantity: write units as decimal text, like "2"; the sign comes from the type',
        "row 6, restock: write true or false",
        (
            "row 7, occurred_at: it lies in the future, at 2026-11-21T11:00:00Z: set the register's"
            " clock"
        ),
        "row 8: it has 5 cells, the header 13",
        "row 9, occurred_at: a time without an offset: end it with Z, or with one like +01:00",
        "row 9, sale_id: it is empty, too long, or has characters that may not be",
    ]


def test_rows_that_contradict_each_other_are_named() -> None:
    rows = (
        "T3,1,S1,1,SALE,2026-11-21T09:00:00Z,soho,MUG,1,,,,\n"
        "T3,2,S1,2,SALE,2026-11-21T09:00:00Z,dc,MUG,1,,,,\n"
        "T3,3,S3,1,SALE,2026-11-21T09:00:00Z,soho,MUG,1,,,,\n"
        "T3,3,S3,1,SALE,2026-11-21T09:00:00Z,soho,MUG,1,,,,\n"
        "T3,3,S4,1,SALE,2026-11-21T09:00:00Z,soho,MUG,1,,,,\n"
        "T4,5,S5,1,SALE,2026-11-21T09:00:00Z,soho,MUG,1,,,,\n"
        "T3,1,,,ZTOTAL,2026-11-21T09:00:00Z,,,1,,,,\n"
        "T3,7,,,COUNT,2026-11-21T09:00:00Z,soho,MUG,1,,,,\n"
        "T3,7,,,COUNT,2026-11-21T09:00:00Z,soho,MUG,2,,,,\n"
        "T3,4,,,ZTOTAL,2026-11-21T09:00:00Z,,,6,,,,\n"
    )
    assert mistakes(HEADER + rows) == [
        "row 3, location: row 2 of the same sale says something else",
        "row 3, sequence: row 2 of the same sale says something else",
        "row 5, line_id: the same stands in row 4: join them, or rename one",
        "row 6, sequence: row 4 uses this number for another event",
        "row 7, register_id: it is T4, and the file's name says T3",
        "row 8, type: ZTOTAL stands only in the last row",
        "row 10, sku: the same stands in row 9: join them, or rename one",
    ]


def test_a_header_that_cannot_be_read_is_refused_alone() -> None:
    assert mistakes("sku,sku,quantity,price\nx,x,1,2\n")[:3] == [
        "row 1, line_id: the column is missing",
        "row 1, occurred_at: the column is missing",
        (
            "row 1, price: unknown column; known are register_id, sequence, sale_id, line_id, type,"
            " occurred_at, location, sku, quantity, unit_price, currency, original_sale_id, restock"
        ),
    ]
    assert mistakes("") == ["row 1: there is no header"]
    assert mistakes(HEADER.encode() + b"T3,\xff\n") == ["row 2: it is not UTF-8"]
    assert mistakes(HEADER + 'T3,"x\n')[0].startswith("row 2: it cannot be read (")


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-07-01T12:00:00", "2026-07-01T10:00:00Z"),
        ("2025-10-26T02:30:00", "2025-10-26T01:30:00Z"),  # twice on this night: the later one
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),  # skipped on this night
        ("2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"),
        ("2026-07-01T12:00:00-04:00", "2026-07-01T16:00:00Z"),
    ],
)
def test_a_time_without_an_offset_is_one_of_the_shops_zone(local: str, utc: str) -> None:
    def sold_at(text: str, zone: str | None) -> Any:
        rows = f"T3,1,S1,1,SALE,{text},,MUG,1,,,,\nT3,1,,,ZTOTAL,2026-11-21T09:59:59Z,,,1,,,,\n"
        return read(HEADER + rows, zone=zone).events[0]

    assert sold_at(local, "Europe/Berlin") == sold_at(utc, None)


def test_a_stock_take_of_a_whole_warehouse_is_one_number() -> None:
    rows = "".join(
        f"WH1,5,,,COUNT,2026-11-21T06:00:00Z,dc,SKU-{number},{number},,,,\n"
        for number in range(1_201)
    )
    end = "WH1,0,,,ZTOTAL,2026-11-21T09:00:00Z,,,0,,,,\n"
    report = read(HEADER + rows + end, register="WH1")
    assert [len(event.lines) for event in report.events if isinstance(event, CountEvent)] == [
        500,
        500,
        201,
    ]
    assert {event.sequence for event in report.events} == {5}


@given(content=st.binary(max_size=200))
def test_whatever_bytes_come_nothing_but_a_refusal_is_raised(content: bytes) -> None:
    with pytest.raises(SheetRefused):
        read(HEADER.encode() + content)
