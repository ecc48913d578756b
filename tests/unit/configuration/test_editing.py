"""The merchant's file is replaced whole, by what was asked for, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from channelsync.configuration.editing import (
    FileChanged,
    FileText,
    FileUnwritable,
    MerchantFile,
    digest_of,
)

OLD, NEW = b"version: 1\n", b"version: 1 # ours\n"


@pytest.fixture
def file(tmp_path: Path) -> MerchantFile:
    path = tmp_path / "channelsync.yaml"
    path.write_bytes(OLD)
    path.chmod(0o640)
    return MerchantFile(path)


def test_it_is_replaced_with_its_mode_kept_and_nothing_left_beside_it(file: MerchantFile) -> None:
    file.replace(NEW, seen=digest_of(OLD))
    assert file.read().content == NEW
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640
    assert [one.name for one in file.path.parent.iterdir()] == ["channelsync.yaml"]
    assert file.why_unwritable() is None


def test_what_somebody_else_wrote_meanwhile_is_never_overwritten(file: MerchantFile) -> None:
    file.path.write_bytes(b"version: 1 # theirs\n")
    with pytest.raises(FileChanged) as refused:
        file.replace(NEW, seen=digest_of(OLD))
    assert refused.value.current.content == b"version: 1 # theirs\n"
    assert file.read().content == b"version: 1 # theirs\n"


def test_the_same_edit_twice_is_one(file: MerchantFile) -> None:
    file.replace(NEW, seen=digest_of(OLD))
    before = file.path.stat().st_ino
    file.replace(NEW, seen=digest_of(OLD))
    assert file.path.stat().st_ino == before


def test_a_link_stays_one_and_its_file_is_replaced(file: MerchantFile, tmp_path: Path) -> None:
    link = tmp_path / "linked.yaml"
    link.symlink_to(file.path)
    MerchantFile(link).replace(NEW, seen=digest_of(OLD))
    assert link.is_symlink()
    assert file.read().content == NEW


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    file = MerchantFile(tmp_path / "none.yaml")
    with pytest.raises(FileUnwritable, match=r"none\.yaml cannot be read: No such file"):
        file.read()
    with pytest.raises(FileUnwritable, match="cannot be read"):
        file.replace(NEW, seen=digest_of(OLD))


@pytest.mark.skipif(not Path("/proc/sys").is_dir(), reason="needs Linux's /proc")
def test_what_cannot_be_written_says_why_and_leaves_the_file(file: MerchantFile) -> None:
    # A folder in which no file can be made, not even by root.
    odd = MerchantFile(Path("/proc/self/comm"))
    seen = odd.read()
    with pytest.raises(FileUnwritable, match="/proc/self/comm cannot be written"):
        odd.replace(seen.content + b"x", seen=seen.digest)
    if os.geteuid():
        file.path.parent.chmod(0o500)
        assert file.why_unwritable() == "this program may not write into the folder that holds it"
        file.path.parent.chmod(0o700)


def test_ends_of_lines_and_the_byte_order_mark_stay_as_they_were() -> None:
    assert FileText(b"a: 1\r\n").with_text("a: 2\r\nb: 1\r\n") == b"a: 2\r\nb: 1\r\n"
    assert FileText(b"a: 1\n").with_text("a: 2\r\nb: 1") == b"a: 2\nb: 1"
    assert FileText(b"\xef\xbb\xbfa: 1\n").with_text("a: 2\n") == b"\xef\xbb\xbfa: 2\n"
    assert FileText(b"\xef\xbb\xbfa: 1\n").text == "a: 1\n"
