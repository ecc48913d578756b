"""The stock sheet as text: what spreadsheets save is read, what they would run is disarmed."""

from __future__ import annotations

import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.engine.stock_errors import CsvRefused
from channelsync.engine.stock_sheet import SheetRow, read_sheet, write_sheet

TEXT = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12
)
UNITS = st.none() | st.integers(-(10**9), 10**9)


def read(content: bytes | str) -> list[SheetRow]:
    rows, errors = read_sheet(content, source="stock.csv")
    assert errors == []
    return rows


def mistakes(content: str) -> list[str]:
    return [error.text for error in read_sheet(content, source="stock.csv")[1]]


def refusal(content: bytes | str) -> str:
    with pytest.raises(CsvRefused) as caught:
        read_sheet(content, source="stock.csv")
    return str(caught.value)


def test_a_sheet_is_read_column_by_column() -> None:
    content = "sku,location,on_hand,safety_stock,name\nMUG,dc,7,2,Mug\nPLATE,dc,,,\n"
    assert read(content) == [
        SheetRow(row=2, sku="MUG", location="dc", on_hand=7, safety_stock=2, name="Mug"),
        SheetRow(row=3, sku="PLATE", location="dc"),
    ]


def test_columns_come_in_any_order_and_may_be_missing() -> None:
    assert read("On_Hand, SKU \n7,MUG\n") == [SheetRow(row=2, sku="MUG", on_hand=7)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_parted_as_spreadsheets_do(delimiter: str) -> None:
    cells = [["sku", "on_hand", "name"], ["MUG", " 7 ", '"Mug, blue; big\t!"']]
    content = "\r\n".join(delimiter.join(row) for row in cells)
    assert read(content) == [SheetRow(row=2, sku="MUG", on_hand=7, name="Mug, blue; big\t!")]


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    for content in (b"\xef\xbb\xbfsku,on_hand\nMUG,7\n", "\ufeffsku,on_hand\nMUG,7\n"):
        assert read(content) == [SheetRow(row=2, sku="MUG", on_hand=7)]


def test_quoted_names_keep_separators_and_line_breaks() -> None:
    content = 'sku,name\nMUG,"Mug; ""big"",\nblue"\nPLATE,Plate\n'
    assert [row.name for row in read(content)] == ['Mug; "big",\nblue', "Plate"]


def test_blank_rows_are_passed_over_and_still_counted() -> None:
    assert [row.row for row in read("\nsku,on_hand\n\nMUG,7\n , \nPLATE,1\n")] == [4, 6]


def test_every_mistake_is_reported_with_its_row_and_column() -> None:
    content = (
        "sku,location,on_hand,safety_stock,name\n"
        "MUG,dc,seven,2,Mug\n"
        ",dc,7,1.5,Mug\n"
        "MUG,dc,7\n"
        "MUG,dc,7,2,Mug,surplus\n"
        "MUG,dc,1000000001,,\n"
        "MUG,dc,\u0667,,\n"
        f"MUG,dc,{'9' * 5_000},,\n"
        "MUG,dc,7,2,Mug,,\n"
    )
    assert mistakes(content) == [
        "row 2, on_hand: 'seven' is not a whole number up to 1,000,000,000",
        "row 3, sku: it is empty",
        "row 3, safety_stock: '1.5' is not a whole number up to 1,000,000,000",
        "row 4: it has 3 cells, the header 5: check its separators",
        "row 5: it has 6 cells, the header 5: check its separators",
        "row 6, on_hand: '1000000001' is not a whole number up to 1,000,000,000",
        "row 7, on_hand: '\u0667' is not a whole number up to 1,000,000,000",
        "row 8, on_hand: '99999999999999999999…' is not a whole number up to 1,000,000,000",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sku,onhand\n", "row 1, onhand: unknown column; did you mean on_hand?"),
        ("sku,colour\n", "row 1, colour: unknown column; known are sku, location, on_hand"),
        ("sku,sku\n", "row 1, sku: the column is there twice"),
        ("location,on_hand\n", "row 1, sku: the column is missing"),
        ("", "row 1: there is nothing in it"),
        ("sku\nMUG\0\n", "row 2: it has a NUL character"),
        (b"sku,name\nMUG,M\xfcg\n", "row 2: it is not UTF-8: save it as CSV UTF-8"),
        ('sku,name\nMUG,"open\n', "row 2: it cannot be read"),
        ('sku,name\nMUG,"a"b\n', "row 2: it cannot be read"),
    ],
)
def test_a_sheet_that_cannot_be_read_says_why(content: bytes | str, message: str) -> None:
    assert message in refusal(content)


def test_the_refusal_names_the_file_and_says_that_nothing_was_applied() -> None:
    assert refusal("sku,sku,colour\n").startswith(
        "stock.csv has 2 mistakes, so nothing of it was applied:\n  row 1, sku:"
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'=1", "''@x"])
def test_texts_that_a_spreadsheet_would_run_are_disarmed(text: str) -> None:
    written = write_sheet([SheetRow(row=2, sku=text, location="dc", name=text)])
    _, cells = csv.reader(io.StringIO(written, newline=""))
    assert cells == [f"'{text}", "dc", "", "", f"'{text}"]
    assert read(written) == [SheetRow(row=2, sku=text, location="dc", name=text)]


@pytest.mark.parametrize("text", ["'quoted'", "a=b", "7", "O'Neill"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    _, cells = csv.reader(io.StringIO(write_sheet([SheetRow(row=2, sku=text)]), newline=""))
    assert cells[0] == text


def test_numbers_below_zero_stay_numbers() -> None:
    written = write_sheet([SheetRow(row=2, sku="MUG", location="dc", on_hand=-3)])
    assert "MUG,dc,-3,," in written


@given(
    st.lists(
        st.builds(
            SheetRow,
            row=st.just(0),
            sku=TEXT.filter(str.strip),
            location=st.none() | TEXT,
            on_hand=UNITS,
            safety_stock=UNITS,
            name=st.none() | TEXT,
        ),
        max_size=6,
    )
)
def test_whatever_is_written_is_read_back(rows: list[SheetRow]) -> None:
    back = read(write_sheet(rows))
    assert [row.row for row in back] == list(range(2, len(rows) + 2))
    assert [(r.sku, r.location, r.on_hand, r.safety_stock, r.name) for r in back] == [
        (r.sku, r.location, r.on_hand, r.safety_stock, r.name) for r in rows
    ]


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_input_brings_the_reader_down(content: bytes | str) -> None:
    with contextlib.suppress(CsvRefused):
        rows, errors = read_sheet(content, source="stock.csv")
        assert all(row.sku.strip() for row in rows)
        assert all(error.row > 1 for error in errors)
