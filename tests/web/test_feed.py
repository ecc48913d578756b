"""The feed alone: what it sends, to whom, and when it looks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from channelsync.web.feed import WATCHERS_MAX, Feed, TooManyWatchers


class Scene:
    """Fragments that a test changes."""

    def __init__(self) -> None:
        self.fragments: dict[str, str] = {"one": "<p>1</p>"}
        self.looks = 0

    async def look(self) -> Mapping[str, str]:
        self.looks += 1
        return dict(self.fragments)


def feed_of(scene: Scene, stopping: asyncio.Event | None = None) -> Feed[Mapping[str, str]]:
    return Feed(look=scene.look, paint=dict, refresh_seconds=0.25, stopping=stopping)


async def test_nobody_watching_costs_nothing() -> None:
    scene = Scene()
    feed_of(scene)
    await asyncio.sleep(0)
    assert scene.looks == 0


async def test_looks_that_come_together_are_one() -> None:
    scene = Scene()
    feed = feed_of(scene)
    await asyncio.gather(*(feed.refresh() for _ in range(20)))
    assert scene.looks == 1


async def test_a_watcher_that_leaves_in_the_middle_disturbs_nobody() -> None:
    scene, seen = Scene(), asyncio.Event()

    async def slow() -> Mapping[str, str]:
        await seen.wait()
        return await scene.look()

    feed: Feed[Mapping[str, str]] = Feed(look=slow, paint=dict, refresh_seconds=0.25)
    leaver, stayer = (asyncio.create_task(feed.refresh()) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    seen.set()
    assert await stayer == scene.fragments
    assert scene.looks == 1


async def test_a_fragment_that_is_gone_is_sent_as_gone() -> None:
    scene = Scene()
    feed = feed_of(scene)
    scene.fragments["two"] = "<p>2</p>"
    await feed.refresh()
    seen = feed.event_id
    del scene.fragments["two"]
    stream = feed.watch(seen)
    assert (await anext(stream)).startswith("retry: ")
    event = await anext(stream)
    assert event == f'id: {feed.event_id}\ndata: {{"two": null}}\n\n'
    assert feed.fragments == {"one": "<p>1</p>"}


async def test_the_stream_ends_when_the_daemon_stops() -> None:
    stopping = asyncio.Event()
    stream = feed_of(Scene(), stopping).watch("")
    received = [await anext(stream), await anext(stream)]
    stopping.set()
    received += [event async for event in stream]
    assert len(received) == 2


async def test_more_watchers_than_allowed_are_turned_away() -> None:
    feed = feed_of(Scene())
    streams = [feed.watch("") for _ in range(WATCHERS_MAX)]
    await asyncio.gather(*(anext(stream) for stream in streams))
    with pytest.raises(TooManyWatchers):
        feed.watch("")
    await streams[0].aclose()
    feed.watch("")
