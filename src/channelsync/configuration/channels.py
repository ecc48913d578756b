"""Checks every channel's `connector` and `settings`, secrets resolved and hidden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import httpx
from pydantic import BaseModel, ValidationError

from channelsync.configuration.complaints import Complainer
from channelsync.configuration.document import Document
from channelsync.configuration.nodes import MappingNode, Node, ScalarNode
from channelsync.configuration.problems import (
    KeyPath,
    Problem,
    meant,
    quoted,
    sounds_secret,
    url_users,
)
from channelsync.configuration.references import (
    ReferenceRefused,
    References,
    is_reference,
    looks_like_reference,
)
from channelsync.configuration.schema_walk import SchemaWalk
from channelsync.sdk.connector import Manifest
from channelsync.sdk.http import host_allowed

__all__ = ["ChannelCheck", "KnownConnectors", "Surroundings"]

URL_KEYS: Final = ("base_url", "token_url", "queue_url")
"""Settings that say where credentials go."""


class KnownConnectors(Protocol):
    """Which connectors there are; `channelsync.plugins.registry.Registry` is one."""

    @property
    def manifests(self) -> Mapping[str, Manifest]:
        """What the usable ones declare, by name."""

    @property
    def broken(self) -> Mapping[str, str]:
        """Why the others cannot be used, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the file is read against."""

    connectors: KnownConnectors
    references: References
    allow_hosts: tuple[str, ...] = ()
    """Hosts (`host[:port]`) that the operator lets credentials go to, beside the marketplaces'."""


@dataclass(slots=True)
class ChannelCheck:
    """Checks the channels of one document; collects what is wrong and what came of the settings."""

    document: Document
    surroundings: Surroundings
    problems: list[Problem] = field(default_factory=list)
    settings: dict[str, BaseModel] = field(default_factory=dict)
    """The validated settings of every channel without a problem."""
    _walks: dict[str, SchemaWalk] = field(default_factory=dict)

    def run(self) -> None:
        """Check all channels."""
        self._hide_what_sounds_secret()
        channels = self.document.node(("channels",))
        if isinstance(channels, MappingNode):
            for name in channels.entries:
                self._check(name)
            self._check_owners()

    def _hide_what_sounds_secret(self) -> None:
        """A secret under a wrong key or in a wrong place is one all the same."""
        for path, node in self.document.scalars():
            key = path[-1] if path else None
            if isinstance(key, str) and sounds_secret(key) and not _shows_nothing(node):
                self.document.source.hide(node.span)

    def _check(self, channel: str) -> None:
        manifest = self._manifest(channel)
        path: KeyPath = ("channels", channel, "settings")
        if manifest is None:
            self._hide_all(path)
            return
        self._check_times(channel, manifest)
        walk = self._walk(manifest)
        resolver = _Resolver(self.document, self.surroundings.references, walk, path)
        plain = resolver.resolved(self.document.node(path))
        self.problems.extend(resolver.problems)
        if not isinstance(plain, dict):
            return  # told by the file's own shape
        self.problems.extend(self._refused_urls(plain, path, manifest))
        try:
            settings = manifest.settings_model.model_validate(plain)
        except ValidationError as error:
            told = {problem.path for problem in resolver.problems}
            self.problems.extend(Complainer(self.document, walk, path).problems(error, told))
        except Exception as error:  # noqa: BLE001 - a connector's checks may have mistakes of their own
            message = f"the connector cannot check its settings: {type(error).__name__}"
            self.problems.append(self.document.problem(message, path, key=True))
        else:
            self.settings[channel] = settings

    def _check_owners(self) -> None:
        """Two channels onto the same numbers of a marketplace would write over each other."""
        seen: dict[tuple[type[BaseModel], str], str] = {}
        for name, settings in self.settings.items():
            owner = getattr(settings, "counter_owner", None)
            if not isinstance(owner, str):
                continue
            first = seen.setdefault((type(settings), owner), name)
            if first != name:
                message = (
                    f"it sells from the same numbers as channel {first} ({owner}): two channels"
                    " would write over each other; make them one"
                )
                path: KeyPath = ("channels", name)
                self.problems.append(self.document.problem(message, path, key=True))

    def _manifest(self, channel: str) -> Manifest | None:
        path: KeyPath = ("channels", channel, "connector")
        node = self.document.node(path)
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            return None  # told by the file's own shape
        connectors = self.surroundings.connectors
        if manifest := connectors.manifests.get(node.value):
            return manifest
        if reason := connectors.broken.get(node.value):
            message = f"the connector {quoted(node.value)} is broken: {reason}"
            self.problems.append(self.document.problem(message, path))
            return None
        known = sorted(connectors.manifests)
        listed = f"installed: {', '.join(known)}" if known else "none is installed"
        message = f"there is no connector {quoted(node.value)}; {listed}"
        suggestion = meant(node.value, known)
        self.problems.append(self.document.problem(message, path, suggestion=suggestion))
        return None

    def _walk(self, manifest: Manifest) -> SchemaWalk:
        if manifest.name not in self._walks:
            schema = manifest.settings_model.model_json_schema(mode="validation")
            self._walks[manifest.name] = SchemaWalk(schema)
        return self._walks[manifest.name]

    def _hide_all(self, path: KeyPath) -> None:
        """Without a connector nobody knows which settings are secret: show none of them."""
        for _, node in self.document.scalars(path):
            if not _shows_nothing(node):
                self.document.source.hide(node.span)

    def _refused_urls(
        self, settings: Mapping[str, Any], path: KeyPath, manifest: Manifest
    ) -> Iterator[Problem]:
        patterns = (*manifest.own_hosts, *self.surroundings.allow_hosts)
        for key in URL_KEYS:
            value = settings.get(key)
            if not isinstance(value, str) or looks_like_reference(value):
                continue  # the latter was told already
            written = self.document.node((*path, key))
            is_written = isinstance(written, ScalarNode) and written.value == value
            if refused := _refused(value, patterns, tells_host=is_written):
                yield self.document.problem(refused, (*path, key))

    def _check_times(self, channel: str, manifest: Manifest) -> None:
        path: KeyPath = ("channels", channel)
        elsewhere = self._is_elsewhere(path, manifest)
        for key, own in (
            ("quarantine_seconds", manifest.quarantine_seconds),
            ("apply_limit_seconds", manifest.apply_limit_seconds),
        ):
            said, least = self._number((*path, key)), 0.0 if elsewhere else own
            if said is not None and said < least:
                message = (
                    f"{manifest.title} needs at least {least:g}; it may be longer, not shorter"
                )
                self.problems.append(self.document.problem(message, (*path, key)))
        poll = self._number((*path, "poll_interval_seconds")) or manifest.poll_interval_seconds
        quiet = self._number((*path, "quiet_limit_seconds")) or manifest.quiet_limit_seconds
        if quiet <= poll:
            message = f"the quiet limit ({quiet:g} s) must be above the poll interval ({poll:g} s)"
            key = "quiet_limit_seconds"
            if self.document.node((*path, key)) is None:
                key = "poll_interval_seconds"
            if self.document.node((*path, key)) is not None:
                self.problems.append(self.document.problem(message, (*path, key)))

    def _is_elsewhere(self, path: KeyPath, manifest: Manifest) -> bool:
        """Whether the channel talks to a host that is not the marketplace's.

        A simulator has checkouts of its own length.
        """
        node = self.document.node((*path, "settings", "base_url"))
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            return False
        try:
            return not host_allowed(httpx.URL(node.value), manifest.own_hosts)
        except (httpx.InvalidURL, ValueError):
            return False

    def _number(self, path: KeyPath) -> float | None:
        node = self.document.node(path)
        if isinstance(node, ScalarNode) and isinstance(node.value, int | float):
            return float(node.value)
        return None


def _shows_nothing(node: ScalarNode) -> bool:
    """Whether showing the value tells no secret: a reference, or no text at all."""
    value = node.value
    return (
        value is None or isinstance(value, bool) or (isinstance(value, str) and is_reference(value))
    )


def _refused(value: str, patterns: tuple[str, ...], *, tells_host: bool) -> str | None:
    """Why credentials may not go there. A host that came by reference may be a secret itself."""
    try:
        url = httpx.URL(value)
    except (httpx.InvalidURL, ValueError):
        return "not a URL; write https://host or http://host:port"
    if url.scheme not in {"http", "https"} or not url.host or "%" in url.host:
        return "not a URL; write https://host or http://host:port"
    if url.userinfo:
        return "a URL with a name or password in it is refused"
    if host_allowed(url, patterns):
        return None
    place = quoted(url.host if url.port is None else f"{url.host}:{url.port}")
    return (
        f"credentials may not go to {place if tells_host else 'the host named there'}: "
        "it is not the marketplace's own host; the operator can add it to CHANNELSYNC_ALLOW_HOSTS"
        + (
            " (plain http: with a port other than 80)"
            if url.scheme == "http" and url.port is None
            else ""
        )
    )


class _Resolver:
    """Resolves the references of one channel's settings, and hides what must not be shown."""

    def __init__(
        self, document: Document, references: References, walk: SchemaWalk, prefix: KeyPath
    ) -> None:
        self._document = document
        self._references = references
        self._walk = walk
        self._prefix = prefix
        self.problems: list[Problem] = []

    def resolved(self, node: Node | None, path: KeyPath = ()) -> Any:
        """The plain content below `node`; an absent `settings` is an empty mapping."""
        if node is None:
            return {}
        if isinstance(node, MappingNode):
            return {
                key: self.resolved(child, (*path, key)) for key, (_, child) in node.entries.items()
            }
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        return [self.resolved(child, (*path, index)) for index, child in enumerate(node.items)]

    def _scalar(self, node: ScalarNode, path: KeyPath) -> object:
        secret, known = self._walk.is_secret(path), self._walk.knows(path)
        self._hide(node, whole=secret or not known)
        if not known:
            return node.value
        text = str(node.value)
        if node.value is None:
            self._say("nothing is given here", path, "give a value or remove the key")
            return None
        if secret and not is_reference(text):
            self._document.source.hide_value(text)
            self._say(
                "a secret must not stand in the file",
                path,
                "write ${NAME} and set NAME in the environment, or file:NAME, or kept:NAME",
            )
            return text
        if not isinstance(node.value, str) or not looks_like_reference(text):
            return node.value
        try:
            value = self._references.resolve(text)
        except ReferenceRefused as refused:
            self._say(str(refused), path)
            return text
        for hidden in (value, *self._references.values_in(text)):
            self._document.source.hide_value(hidden)
        return value

    def _hide(self, node: ScalarNode, *, whole: bool) -> None:
        if whole and not _shows_nothing(node):
            self._document.source.hide(node.span)
        for user in url_users(str(node.value)):
            self._document.source.hide_value(user)

    def _say(self, message: str, path: KeyPath, suggestion: str | None = None) -> None:
        place = (*self._prefix, *path)
        self.problems.append(self._document.problem(message, place, suggestion=suggestion))
