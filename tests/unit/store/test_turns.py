"""Turns at the one writer: who goes before whom, and that nobody waits without an end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from channelsync.store.turns import PASSED_OVER_MAX, Turns, be_patient


class Writers:
    """Whoever wants a turn, and the order in which they got theirs."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.order: list[str] = []
        self._writing = 0

    def ask(self, name: str, *, patiently: bool = False) -> asyncio.Task[None]:
        async def write() -> None:
            if patiently:
                be_patient()
            async with self.turns.one():
                self._writing += 1
                assert self._writing == 1
                await asyncio.sleep(0)
                self.order.append(name)
                self._writing -= 1

        return asyncio.create_task(write())


async def test_what_somebody_waits_for_goes_first() -> None:
    writers = Writers()
    async with writers.turns.one():
        asked = [
            writers.ask("events", patiently=True),
            writers.ask("seal", patiently=True),
            writers.ask("sale"),
            writers.ask("push"),
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*asked)
    assert writers.order == ["sale", "push", "events", "seal"]


async def test_whoever_a_patient_one_starts_is_patient_and_nobody_else() -> None:
    writers = Writers()

    async def in_the_background() -> None:
        be_patient()
        await writers.ask("background")

    async with writers.turns.one():
        asked = [asyncio.create_task(in_the_background())]
        for _ in range(3):
            await asyncio.sleep(0)
        asked.append(writers.ask("sale"))
        await asyncio.sleep(0)
    await asyncio.gather(*asked)
    assert writers.order == ["sale", "background"]


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_nobody_waits_without_an_end(patient: Sequence[bool]) -> None:
    async def play() -> list[str]:
        writers = Writers()
        async with writers.turns.one():
            names = [
                f"{number} {'patient' if one else 'urgent'}" for number, one in enumerate(patient)
            ]
            asked = [
                writers.ask(name, patiently=one) for name, one in zip(names, patient, strict=True)
            ]
            await asyncio.sleep(0)
        await asyncio.gather(*asked)
        assert sorted(writers.order) == sorted(names)
        return writers.order

    order = asyncio.run(play())
    for kind in ("patient", "urgent"):
        mine = [int(name.split()[0]) for name in order if name.endswith(kind)]
        assert mine == sorted(mine)
    waiting = sum(patient)
    passed_over = 0
    for name in order:
        if name.endswith("patient"):
            waiting, passed_over = waiting - 1, 0
        elif waiting:
            passed_over += 1
        assert passed_over <= PASSED_OVER_MAX
    first = next((place for place, name in enumerate(order) if name.endswith("patient")), None)
    if first is not None:
        assert first == min(len(patient) - sum(patient), PASSED_OVER_MAX)


async def test_one_who_gives_up_waiting_keeps_nobody_from_writing() -> None:
    writers = Writers()
    async with writers.turns.one():
        gone = writers.ask("gone")
        stays = writers.ask("stays")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
    await stays
    assert writers.order == ["stays"]


async def test_a_turn_that_came_too_late_is_passed_on() -> None:
    writers = Writers()
    async with writers.turns.one():
        late, stays = writers.ask("late"), writers.ask("stays")
        await asyncio.sleep(0)
    # Its turn has come, and it does not know yet.
    late.cancel()
    await asyncio.gather(late, stays, return_exceptions=True)
    assert late.cancelled()
    assert writers.order == ["stays"]
    async with writers.turns.one():
        assert writers.order == ["stays"]


async def test_a_turn_that_ends_while_those_who_wait_are_cancelled_goes_to_the_next_one() -> None:
    writers = Writers()
    async with writers.turns.one():
        gone, patient = writers.ask("gone"), writers.ask("patient", patiently=True)
        await asyncio.sleep(0)
        gone.cancel()
    await asyncio.gather(gone, patient, return_exceptions=True)
    assert writers.order == ["patient"]
    async with writers.turns.one():
        last = writers.ask("last")
        await asyncio.sleep(0)
        last.cancel()
    await asyncio.gather(last, return_exceptions=True)
    await writers.ask("somebody")
    assert writers.order == ["patient", "somebody"]
