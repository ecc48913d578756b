"""The operator's environment."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from channelsync.settings import (
    PREFIX,
    Settings,
    SettingsInvalid,
    read_settings,
    secret_key,
    unknown_variables,
)

Set = Callable[..., None]


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets variables in an environment that has none of ours."""
    import os

    for name in list(os.environ):
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)

    def set_them(**given: str) -> None:
        for name, value in given.items():
            monkeypatch.setenv(PREFIX + name, value)

    return set_them


@pytest.fixture(autouse=True)
def _clean(variables: Set) -> None:
    variables()


def test_without_any_variable_everything_is_local() -> None:
    settings = read_settings()
    assert (
        settings.database == f"sqlite+aiosqlite:///{Path('.channelsync').absolute()}/channelsync.db"
    )
    assert (settings.host, settings.port) == ("127.0.0.1", 8484)
    assert settings.redis_url is None
    assert settings.allow_hosts == ()


def test_every_variable_is_read(variables: Set, tmp_path: Path) -> None:
    variables(
        CONFIG="/srv/shop.yaml",
        DATA_DIR=str(tmp_path),
        DATABASE_URL="postgresql://u:p@db/stock",
        REDIS_URL="redis://cache:6379/0",
        SECRET_KEY="k" * 32,
        HOST="0.0.0.0",  # noqa: S104 - read, not bound
        PORT="80",
        PUBLIC_URL="https://stock.example.com/",
        LOG_FORMAT="json",
        ALLOW_HOSTS="127.0.0.1:9001, simulator.example,[::1]:9002,*.proxy.example",
        SECRETS_DIR=str(tmp_path),
    )
    settings = read_settings()
    assert settings.config == Path("/srv/shop.yaml")
    assert settings.database == "postgresql+asyncpg://u:p@db/stock"
    assert settings.redis_url == SecretStr("redis://cache:6379/0")
    assert secret_key(settings) == b"k" * 32
    assert settings.port == 80
    assert settings.public_url == "https://stock.example.com"
    assert settings.allow_hosts == (
        "127.0.0.1:9001",
        "simulator.example",
        "[::1]:9002",
        "*.proxy.example",
    )


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:////srv/stock.db", "sqlite+aiosqlite:////srv/stock.db"),
        ("sqlite+aiosqlite:///stock.db", "sqlite+aiosqlite:///stock.db"),
        ("postgres://h/n", "postgresql+asyncpg://h/n"),
        ("postgresql+asyncpg://h/n", "postgresql+asyncpg://h/n"),
    ],
)
def test_the_database_url_names_the_asynchronous_driver(given: str, used: str) -> None:
    assert read_settings(database_url=given).database == used


def test_what_is_given_outranks_the_environment(variables: Set) -> None:
    variables(PORT="1")
    assert read_settings(port=2).port == 2


def test_an_empty_variable_counts_as_absent(variables: Set) -> None:
    variables(PORT="", PUBLIC_URL="", ALLOW_HOSTS="")
    settings = read_settings()
    assert (settings.port, settings.public_url, settings.allow_hosts) == (8484, None, ())


def test_a_secret_may_be_a_file(variables: Set, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 40 + "\n")
    variables(SECRET_KEY_FILE=str(tmp_path / "key"))
    settings = read_settings()
    assert secret_key(settings) == b"k" * 40
    assert tmp_path / "key" in settings.secret_files


def test_a_secret_given_twice_or_unreadable_is_refused(variables: Set, tmp_path: Path) -> None:
    variables(SECRET_KEY_FILE=str(tmp_path / "none"))
    with pytest.raises(SettingsInvalid, match=r"SECRET_KEY_FILE: .* cannot be read: No such file"):
        read_settings()
    variables(SECRET_KEY="k" * 40)
    with pytest.raises(
        SettingsInvalid, match="SECRET_KEY or CHANNELSYNC_SECRET_KEY_FILE, not both"
    ):
        read_settings()


def test_every_wrong_variable_is_named_and_none_is_shown(variables: Set) -> None:
    variables(
        PORT="eighty",
        SECRET_KEY="too-short-secret",
        DATABASE_URL="mysql://user:secret@db",
        REDIS_URL="http://cache-secret",
        PUBLIC_URL="stock.example.com",
        LOG_FORMAT="xml",
        ALLOW_HOSTS="a b",
    )
    with pytest.raises(SettingsInvalid) as refusal:
        read_settings()
    said = str(refusal.value)
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        f"CHANNELSYNC_{name}"
        for name in (
            *("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PORT"),
            *("PUBLIC_URL", "LOG_FORMAT", "ALLOW_HOSTS"),
        )
    ]
    assert "secret" not in said
    assert "eighty" not in said


@pytest.mark.parametrize(
    "host", ["https://a", "a/b", "u@a", "a:x", "a:0", "a:99999", ":80", "a,,b", "a?b"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(SettingsInvalid, match="ALLOW_HOSTS"):
        read_settings(allow_hosts=host)


@pytest.mark.parametrize(
    "url", ["https://", "ftp://a", "https://u@a", "https://a?b", "https://a#b"]
)
def test_what_is_no_public_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="PUBLIC_URL: write"):
        read_settings(public_url=url)


def test_no_representation_shows_a_secret() -> None:
    settings = read_settings(
        secret_key="k" * 32,
        database_url="postgresql://u:hidden@db/n",
        redis_url="redis://:hidden@h",
    )
    assert "hidden" not in repr(settings)
    assert "kkk" not in repr(settings)


def test_a_key_is_made_once_and_kept_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    first = secret_key(settings)
    assert len(first) >= 32
    assert secret_key(settings) == first
    kept = tmp_path / "data" / "secret_key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list((tmp_path / "data").iterdir()) == [kept]
    assert kept in settings.secret_files


def test_a_damaged_key_or_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("short")
    with pytest.raises(SettingsInvalid, match="secret_key is damaged"):
        secret_key(Settings(data_dir=tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(SettingsInvalid, match="cannot be kept"):
        secret_key(Settings(data_dir=tmp_path / "file" / "data"))


def test_a_variable_that_nothing_reads_is_noticed() -> None:
    environment = {
        "CHANNELSYNC_PORTT": "1",
        "channelsync_datadir": "x",
        "CHANNELSYNC_PORT": "1",
        "channelsync_host": "x",
        "CHANNELSYNC_SECRET_KEY_FILE": "x",
        "CHANNELSYNC_PYTHON": "x",
        "PATH": "x",
    }
    assert unknown_variables(environment) == ("CHANNELSYNC_PORTT", "channelsync_datadir")
