"""Secrets come from outside, and only those that are the merchant's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from channelsync.configuration.references import ReferenceRefused, References
from tests.unit.configuration.samples import SECRET, SMALL, ShopifySettings, loaded, refused


def settings_of(text: str, **around: object) -> ShopifySettings:
    found = loaded(text, **around).channels["shop"].settings
    assert isinstance(found, ShopifySettings)
    return found


def with_token(reference: str) -> str:
    return SMALL.replace("${SHOPIFY_TOKEN}", reference)


def test_a_variable_becomes_the_secret() -> None:
    assert settings_of(SMALL).access_token.get_secret_value() == SECRET


def test_references_work_in_every_setting_inside_text_and_for_numbers() -> None:
    text = SMALL + "      batch: ${BATCH}\n      base_url: https://${HOST}/api\n"
    found = settings_of(text, allow_hosts=("simulator.example:8443",))
    assert found.batch == 25
    assert found.base_url == "https://simulator.example:8443/api"


def test_references_work_deep_inside_the_settings() -> None:
    text = SMALL + "      signing: {key: '${SHOPIFY_TOKEN}', old: ['${SQUARE_TOKEN}']}\n"
    signing = settings_of(text).signing
    assert signing is not None
    assert [one.get_secret_value() for one in (signing.key, *signing.old)] == [
        SECRET,
        "EAAA-square",
    ]


def test_a_file_below_the_secrets_folder_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "token").write_text("from a file\r\n")
    found = settings_of(with_token("file:shop/token"), secrets_dir=tmp_path)
    assert found.access_token.get_secret_value() == "from a file"
    absolute = settings_of(with_token(f"file:{tmp_path}/shop/token"), secrets_dir=tmp_path)
    assert absolute.access_token.get_secret_value() == "from a file"


def test_a_link_inside_the_secrets_folder_is_followed(tmp_path: Path) -> None:
    data = tmp_path / "..data"
    data.mkdir()
    (data / "token").write_text("mounted")
    (tmp_path / "token").symlink_to("..data/token")
    found = settings_of(with_token("file:token"), secrets_dir=tmp_path)
    assert found.access_token.get_secret_value() == "mounted"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    outside = tmp_path / "outside"
    outside.write_text("not for the merchant")
    (tmp_path / "secrets-too").mkdir()
    (tmp_path / "secrets-too" / "near").write_text("not for the merchant")
    (folder / "link").symlink_to(outside)
    (folder / "up").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    (folder / "operators").write_text("not for the merchant")
    (folder / "empty").write_text("\n")
    (folder / "binary").write_bytes(b"\xff\xfe")
    (folder / "large").write_bytes(b"x" * 70_000)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    return folder


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../outside", "may not be read"),
        ("../secrets-too/near", "may not be read"),
        ("link", "may not be read"),
        ("up/outside", "may not be read"),
        ("/etc/passwd", "may not be read"),
        ("operators", "may not be read"),
        ("folder/../operators", "may not be read"),
        ("", "cannot be read"),
        ("folder", "cannot be read"),
        ("pipe", "not a file"),
        ("loop", "no such file"),
        ("none", "no such file"),
        ("nul\0", "no such file"),
        ("empty", "is empty"),
        ("binary", "not UTF-8"),
        ("large", "larger than 65536 bytes"),
    ],
)
def test_nothing_else_is_read_from_files(secrets: Path, name: str, why: str) -> None:
    references = References(
        environment={}, secrets_dir=secrets, operators_files=frozenset({secrets / "operators"})
    )
    with pytest.raises(ReferenceRefused, match=why) as refusal:
        references.resolve(f"file:{name}")
    assert "not for the merchant" not in str(refusal.value)


def test_files_are_not_read_unless_the_operator_says_where_from() -> None:
    said = refused(with_token("file:token")).text()
    assert "the operator turns them on with CHANNELSYNC_SECRETS_DIR" in said


@pytest.mark.parametrize(
    "name", ["CHANNELSYNC_SECRET_KEY", "channelsync_secret_key", "ChannelSync_X"]
)
def test_the_operators_own_variables_are_refused(name: str) -> None:
    said = refused(with_token(f"${{{name}}}")).text()
    assert f"${{{name}}} belongs to the operator" in said


@pytest.mark.parametrize(
    "text", ["${", "${}", "${1X}", "${A B}", "${A", "${A:-b}", "$${", "${${SHOPIFY_TOKEN}}"]
)
def test_a_broken_reference_is_told(text: str) -> None:
    references = References(environment={"A": "x", "SHOPIFY_TOKEN": "A"})
    with pytest.raises(ReferenceRefused, match="broken reference"):
        references.resolve(text)


def test_a_resolved_value_is_not_resolved_again() -> None:
    references = References(environment={"A": "${B}", "B": "second"})
    assert references.resolve("${A}") == "${B}"


def test_no_representation_shows_the_environment() -> None:
    assert SECRET not in repr(References(environment={"TOKEN": SECRET}))
    configuration = loaded(SMALL)
    assert SECRET not in repr(configuration.channels["shop"])
    assert SECRET not in str(configuration.as_json())
