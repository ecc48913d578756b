"""Checks who is told: every target a reference that can be resolved, every rule naming targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

from pydantic import SecretStr

from channelsync.configuration.document import Document
from channelsync.configuration.nodes import MappingNode, ScalarNode
from channelsync.configuration.problems import KeyPath, Problem, meant, quoted
from channelsync.configuration.references import ReferenceRefused, References, is_reference

__all__ = ["NoticeCheck"]

HERE: Final[KeyPath] = ("notifications",)


@dataclass(slots=True)
class NoticeCheck:
    """Checks one document; collects what is wrong, and where messages go."""

    document: Document
    references: References
    problems: list[Problem] = field(default_factory=list)
    targets: dict[str, SecretStr] = field(default_factory=dict)

    def run(self) -> None:
        """Check everything."""
        node = self.document.node((*HERE, "targets"))
        names = [str(name) for name in node.entries] if isinstance(node, MappingNode) else []
        if names and find_spec("apprise") is None:
            self._say("it needs Apprise: install channelsync[notify]", (*HERE, "targets"), key=True)
        for name in names:
            self._target(name)
        channels = self.document.node(("channels",))
        known = [str(one) for one in channels.entries] if isinstance(channels, MappingNode) else []
        self._rules(names, known)

    def _say(
        self, message: str, path: KeyPath, *, key: bool = False, suggestion: str | None = None
    ) -> None:
        self.problems.append(self.document.problem(message, path, key=key, suggestion=suggestion))

    def _target(self, name: str) -> None:
        path: KeyPath = (*HERE, "targets", name)
        node = self.document.node(path)
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            return  # told by the file's own shape
        if not is_reference(node.value):
            self.document.source.hide(node.span)
            self.document.source.hide_value(node.value)
            how = "write ${NAME} and set NAME in the environment, or file:NAME, or kept:NAME"
            self._say("an address holds a password: it must not stand here", path, suggestion=how)
            return
        try:
            address = self.references.resolve(node.value)
        except ReferenceRefused as refused:
            self._say(str(refused), path)
            return
        self.document.source.hide_value(address)
        if not _is_address(address):
            self._say("what it stands for is no address that Apprise knows", path)
            return
        self.targets[name] = SecretStr(address)

    def _rules(self, targets: list[str], channels: list[str]) -> None:
        rules = _mapping(_mapping(self.document.plain()).get("notifications")).get("rules")
        seen: set[object] = set()
        for index, rule in enumerate(rules if isinstance(rules, list) else ()):
            path: KeyPath = (*HERE, "rules", index)
            name = _mapping(rule).get("name")
            if name in seen:
                self._say(f"there is another rule {quoted(name)}", (*path, "name"))
            seen.add(name if isinstance(name, str) else index)
            self._names(rule, path, "to", "target", targets)
            self._names(rule, path, "channels", "channel", channels)

    def _names(self, rule: object, path: KeyPath, key: str, kind: str, known: list[str]) -> None:
        given = _mapping(rule).get(key)
        for index, name in enumerate(given if isinstance(given, list) else ()):
            if isinstance(name, str) and name not in known:
                message = f"there is no {kind} {quoted(name)}"
                self._say(message, (*path, key, index), suggestion=meant(name, known))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_address(url: str) -> bool:
    """Without Apprise nothing can be said against it."""
    try:
        import apprise
    except ModuleNotFoundError:
        return True
    return apprise.Apprise.instantiate(url, suppress_exceptions=True) is not None
