"""The operator's settings: environment variables that begin with `CHANNELSYNC_`.

The merchant's file says what is sold where; these say where the program keeps its data, what it
listens on and how far it trusts the merchant's file. The docstrings are the documentation.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from channelsync.domain.permissions import Role
from channelsync.sdk.signatures import decode_standard_secret

__all__ = [
    "ELSEWHERE",
    "PREFIX",
    "SECRETS",
    "Settings",
    "SettingsInvalid",
    "read_settings",
    "secret_key",
    "unknown_variables",
]

PREFIX: Final = "CHANNELSYNC_"
SECRETS: Final = ("database_url", "redis_url", "secret_key", "secret_key_old", "anchor_secret")
"""Settings that may be given as a file: `CHANNELSYNC_SECRET_KEY_FILE=/run/secrets/key`."""
ELSEWHERE: Final = frozenset(
    {
        "CHAOS_ROUNDS",
        "CONTRACTS",
        "PYTHON",
        "RECORD",
        "SIGKILLS",
        "TEST_PG",
        "TEST_POSTGRES",
        "TEST_REDIS",
    }
)
"""Variables with our prefix that something else reads (the run script, the tests)."""
SECRET_KEY_CHARACTERS_MIN: Final = 32
PORT_MAX: Final = 65_535
ANCHOR_SECONDS_MIN: Final = 60.0
APPROVAL_HOURS_MAX: Final = 720.0
KEEP_DELIVERIES_DAYS_MIN: Final = 14.0
"""A queue of Amazon's keeps a message that long; others repeat a webhook for two days at most."""
KEEP_PUSHES_DAYS_MIN: Final = 30.0
KEEP_NOTICES_DAYS_MIN: Final = 14.0
KEEP_HOLDS_DAYS_MIN: Final = 30.0
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:]+\]|[\w*.-]+)(?::(\d{1,5}))?", re.ASCII)
_ASYNC_DRIVERS: Final = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}


class SettingsInvalid(Exception):
    """Environment variables that cannot be used; the message names each and says what to write."""


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `…_FILE` variables: the value is the content of the file that they name."""

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{PREFIX}{field_name.upper()}"
        path = os.environ.get(f"{variable}_FILE")
        if field_name not in SECRETS or not path:
            return None, field_name, False
        if os.environ.get(variable):
            raise SettingsInvalid(f"give {variable} or {variable}_FILE, not both")
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise SettingsInvalid(f"{variable}_FILE: {path} cannot be read: {reason}") from None

    @override
    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """Every variable, without its prefix and in lower case."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    config: Path = Path("channelsync.yaml")
    """The merchant's file."""
    data_dir: Path = Path(".channelsync")
    """Folder of everything that the program keeps: the SQLite database and the key it made."""
    database_url: SecretStr | None = None
    """Where the books are: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`. Default: a
    SQLite file in the data folder."""
    redis_url: SecretStr | None = None
    """`redis://HOST:6379/0` wakes the workers of other processes at once. Without it they look by
    themselves every few seconds; nothing is lost."""
    secret_key: SecretStr | None = None
    """Opens the secrets that the store keeps, and signs the set-up link; at least 32 characters.
    Without it one is made in the data folder, which suits one machine; several must share one. Back
    it up apart from the database."""
    secret_key_old: SecretStr | None = None
    """The key before, while it is changed: until `channelsync keys rotate` is through."""
    second_factor_of: Annotated[tuple[Role, ...], NoDecode] = ()
    """Who must have a second factor: `all`, or roles (`admin,manager`), comma-separated. Whoever of
    them has none is led to switch it on at the next sign-in, and can do nothing else before. The
    others may."""
    second_approver: bool = False
    """Whether what is risky (forgetting a channel, dropping a dead letter, writing the merchant's
    file, letting units leave by force) is only proposed on the dashboard and by the API, and done
    once another user approves."""
    second_approver_hours: Annotated[float, Field(gt=0.0, le=APPROVAL_HOURS_MAX)] = 24.0
    """How long such a proposal waits."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=PORT_MAX)] = 8484
    """Port to listen on; 0 takes any free one."""
    public_url: str | None = None
    """How marketplaces reach this program: `https://stock.example.com`. Webhook subscriptions are
    made for it; without it orders are found by polling alone."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """json for machines, console for people; auto is console on a terminal, else json."""
    allow_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Hosts (`host` or `host:port`, comma-separated) that credentials may go to beside the
    marketplaces' own: a proxy, a sandbox, a simulator. Plain http needs the port."""
    anchor_file: Path | None = None
    """File that the head of the sealed ledger is appended to, a JSON line at a time: best where
    whoever can write to the database cannot. Every head is a line in the log as well."""
    anchor_url: str | None = None
    """Address that every head of the sealed ledger is sent to, signed with
    `CHANNELSYNC_ANCHOR_SECRET`: `https://audit.example.com/heads`."""
    anchor_secret: Annotated[SecretStr | None, Field(validate_default=True)] = None
    """Signs what is sent there (Standard Webhooks): `whsec_` and 24 to 64 random bytes in
    base64."""
    anchor_interval_seconds: Annotated[float, Field(ge=ANCHOR_SECONDS_MIN)] = 3_600.0
    """How often the head is told, if it moved."""
    keep_deliveries_days: Annotated[float, Field(ge=KEEP_DELIVERIES_DAYS_MIN)] = 60.0
    """How long an applied webhook is kept from its receipt, at least 14 days: as long as
    marketplaces repeat one. Orders and the ledger are kept until somebody folds it."""
    keep_pushes_days: Annotated[float, Field(ge=KEEP_PUSHES_DAYS_MIN)] = 180.0
    """How long a push is kept after it was closed, with its request and attempts, at least 30 days.
    Reports over a longer time count none before."""
    keep_notices_days: Annotated[float, Field(ge=KEEP_NOTICES_DAYS_MIN)] = 90.0
    """How long a message to people is kept after it was sent or given up, at least 14 days."""
    keep_holds_days: Annotated[float, Field(ge=KEEP_HOLDS_DAYS_MIN)] = 365.0
    """How long a hold is kept after it ended, at least 30 days."""
    drop_dir: Path | None = None
    """Folder below which each channel with a `drop_folder` has its own. Default: `drop` in the
    data folder."""
    secrets_dir: Path | None = None
    """Folder that `file:` references of the merchant's file are read from. Without it they are
    refused."""

    @field_validator("second_factor_of", mode="before")
    @classmethod
    def _roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        named = [one.strip().lower() for one in value.split(",")]
        if named == ["all"]:
            return tuple(Role)
        unknown = [one for one in named if one not in set(Role)]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no role: write all, or some of {', '.join(Role)}")
        return tuple(role for role in Role if role in named)

    @field_validator("allow_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: object) -> object:
        hosts = [one.strip() for one in value.split(",")] if isinstance(value, str) else value
        if not isinstance(hosts, list | tuple):
            return hosts
        for host in hosts:
            if not isinstance(host, str) or not _is_host(host):
                raise ValueError(f"{host!r} is no host: write host or host:port, comma-separated")
        return tuple(hosts)

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("write it like https://stock.example.com")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("write scheme, host and path only, without user, query or #")
        return value.rstrip("/")

    @field_validator("secret_key", "secret_key_old")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SECRET_KEY_CHARACTERS_MIN:
            raise ValueError(
                f"too short: at least {SECRET_KEY_CHARACTERS_MIN} characters are wanted"
            )
        return value

    @field_validator("anchor_url")
    @classmethod
    def _anchor_url(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://none")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ValueError("write it like https://audit.example.com/heads")
        if parts.scheme == "http" and parts.port is None:
            raise ValueError("plain http is for this machine's own network: name its port")
        return value

    @field_validator("anchor_secret")
    @classmethod
    def _anchor_secret(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            decode_standard_secret(value.get_secret_value())
        elif info.data.get("anchor_url") is not None:
            raise ValueError(f"{PREFIX}ANCHOR_URL needs it, to sign what is sent there")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        scheme = value.get_secret_value().partition("://")[0] if value else "sqlite"
        if scheme not in {*_ASYNC_DRIVERS, *_ASYNC_DRIVERS.values()}:
            raise ValueError("write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: SecretStr | None) -> SecretStr | None:
        scheme = value.get_secret_value().partition("://")[0] if value else "redis"
        if scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("write redis://HOST:6379/0, rediss://… or unix://…")
        return value

    @property
    def database(self) -> str:
        """The database's URL, naming the asynchronous driver. Holds the password."""
        if self.database_url is None:
            return f"sqlite+aiosqlite:///{self.data_dir.absolute() / 'channelsync.db'}"
        scheme, separator, rest = self.database_url.get_secret_value().partition("://")
        return _ASYNC_DRIVERS.get(scheme, scheme) + separator + rest

    @property
    def seen_file(self) -> Path:
        """Where this machine keeps what it has seen of the books."""
        return self.data_dir / "seen.json"

    @property
    def drops(self) -> Path:
        """Folder of the channels' drop folders."""
        return self.drop_dir or self.data_dir / "drop"

    @property
    def secret_files(self) -> frozenset[Path]:
        """Files that hold the operator's own secrets; the merchant's file may not name them."""
        named = (os.environ.get(f"{PREFIX}{name.upper()}_FILE") for name in SECRETS)
        return frozenset(Path(path) for path in named if path) | {self.data_dir / "secret_key"}

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls)


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and 0 < int(found[1] or 1) <= PORT_MAX


def read_settings(**given: Any) -> Settings:
    """The settings of this process; `given` (from the command line) outranks the environment.

    Raises:
        SettingsInvalid: a variable cannot be used. All of them are named; no value is shown.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = []
        for one in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in one["loc"][:1])
            lines.append(f"{PREFIX}{name.upper()}: {one['msg'].removeprefix('Value error, ')}")
        raise SettingsInvalid("\n".join(lines)) from None


def secret_key(settings: Settings) -> bytes:
    """The key that opens kept secrets: the operator's, else one made once and kept.

    Raises:
        SettingsInvalid: the data folder cannot be written, or the kept key is damaged.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    path = settings.data_dir / "secret_key"
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        _make_key(path)
        kept = path.read_bytes().strip()
    except OSError as error:
        raise SettingsInvalid(f"{path}: the key cannot be kept: {error.strerror}") from None
    if len(kept) < SECRET_KEY_CHARACTERS_MIN:
        raise SettingsInvalid(f"{path} is damaged; put it back from its backup")
    return kept


def _make_key(path: Path) -> None:
    """Write a new key unless there is one: complete before it can be seen, for its owner only."""
    if path.exists():
        return
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(secrets.token_urlsafe(48))
        os.link(fresh, path)
    except FileExistsError:
        return  # another process was quicker
    finally:
        fresh.unlink()


def unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Variables with our prefix that nothing reads: a typing error is not to go unnoticed."""
    known = {name.upper() for name in Settings.model_fields} | ELSEWHERE
    known |= {f"{name.upper()}_FILE" for name in SECRETS}
    ours = (name for name in environment if name.upper().startswith(PREFIX))
    return tuple(sorted(name for name in ours if name.upper().removeprefix(PREFIX) not in known))
