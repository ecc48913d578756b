"""Which declarations of a connector can be used, and which capabilities they need."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from channelsync.sdk.connector import (
    SDK_VERSION,
    Channel,
    FetchesOrders,
    Manifest,
    Pushes,
    Reads,
)
from channelsync.sdk.types import Enforces, PushSemantics

__all__ = ["faults_of_channel", "faults_of_connector"]

_NOT_NEGATIVE: Final = (
    "apply_limit_seconds",
    "quarantine_seconds",
    "read_lag_seconds",
    "clock_skew_seconds",
    "visibility_lag_seconds",
)
_ABOVE_ZERO: Final = (
    "requests_per_second",
    "key_life_seconds",
    "poll_interval_seconds",
    "quiet_limit_seconds",
)
_NEEDED_UNLESS_LIVE: Final[tuple[tuple[type, str, str], ...]] = (
    (Pushes, "push", "write quantities"),
    (Reads, "read", "read them back"),
    (FetchesOrders, "orders_since", "know up to when every order is counted"),
)


def faults_of_connector(connector: object) -> str:
    """Why this object cannot be used as a connector; empty when it can."""
    manifest = getattr(connector, "manifest", None)
    if not isinstance(manifest, Manifest):
        return "it has no manifest of type channelsync.sdk.connector.Manifest"
    if manifest.sdk_version != SDK_VERSION:
        return (
            f"it was made for version {manifest.sdk_version} of the SDK; this is version "
            f"{SDK_VERSION}: install a release of it that fits"
        )
    if not inspect.iscoroutinefunction(getattr(connector, "open", None)):
        return "it has no method `async def open(self, context)`"
    return "; ".join(_faults_of_manifest(manifest))


def _faults_of_manifest(manifest: Manifest) -> Iterator[str]:
    for name in _NOT_NEGATIVE:
        if not (math.isfinite(value := getattr(manifest, name)) and value >= 0):
            yield f"its {name} is {value}, not a number of 0 or more"
    for name in _ABOVE_ZERO:
        if not (math.isfinite(value := getattr(manifest, name)) and value > 0):
            yield f"its {name} is {value}, not a number above 0"
    if manifest.batch_size < 1:
        yield f"its batch_size is {manifest.batch_size}, below 1"
    if manifest.quiet_limit_seconds <= manifest.poll_interval_seconds:
        yield "its quiet_limit_seconds is not above its poll_interval_seconds"
    if manifest.push_semantics is PushSemantics.LIVE and manifest.enforces is not Enforces.NONE:
        yield "it is live, holds no number of its own, and so cannot enforce one"
    yield from _faults_of_settings(manifest.settings_model)


def _faults_of_settings(model: object) -> Iterator[str]:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        yield "its settings_model is no pydantic model"
        return
    if model.model_config.get("extra") != "forbid":
        yield 'its settings_model accepts unknown keys; give it extra="forbid"'
    try:
        model.model_json_schema(mode="validation")
    except PydanticUserError as error:
        yield f"its settings_model has no JSON schema: {error}"


def faults_of_channel(manifest: Manifest, channel: Channel) -> str:
    """Which capabilities an open channel lacks that its semantics need; empty when none."""
    if manifest.push_semantics is PushSemantics.LIVE:
        return ""
    lacking = [
        f"{method} (to {purpose})"
        for capability, method, purpose in _NEEDED_UNLESS_LIVE
        if not isinstance(channel, capability)
    ]
    semantics = manifest.push_semantics.value
    return f"its semantics {semantics} need {', '.join(lacking)}" if lacking else ""
