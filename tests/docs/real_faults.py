"""Which test brings about which fault on real servers, processes and sockets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["REAL_FAULTS", "RealFault"]


@dataclass(frozen=True, slots=True)
class RealFault:
    """A row of the fault table that needs more than a simulation, and the test that plays it."""

    row: int
    fault: str
    path: str
    test: str


SCALE: Final = "tests/integration/scale"
KILLED: Final = (
    "tests/e2e/test_killed_servers.py",
    "test_whatever_is_killed_costs_time_and_never_stock",
)
REAL_FAULTS: Final = (
    RealFault(
        5,
        "one order by webhook and poll at once, two workers",
        f"{SCALE}/test_many_writers.py",
        "test_one_order_told_at_once_by_webhook_and_poll_counts_once",
    ),
    RealFault(9, "PostgreSQL frozen under load", *KILLED),
    RealFault(
        9,
        "the store keeps a webhook waiting",
        "tests/web/test_receivers.py",
        "test_a_webhook_that_the_store_keeps_waiting_is_asked_for_again",
    ),
    RealFault(
        11,
        "a push is throttled, with and without a time to come back",
        "tests/unit/shopify/test_push_answers.py",
        "test_a_retry_after_is_heeded",
    ),
    RealFault(
        24,
        "the daemon killed again and again",
        "tests/e2e/test_killed_again_and_again.py",
        "test_kills_lose_nothing_and_count_nothing_twice",
    ),
    RealFault(25, "Redis dead for good, sweepers alone", *KILLED),
    RealFault(27, "a worker frozen, for longer than a lease in long rounds", *KILLED),
    RealFault(
        28,
        "an event loop blocked for longer than a lease, in its worst instants",
        f"{SCALE}/test_blocked_event_loop.py",
        "test_who_stands_still_for_longer_than_a_lease_does_no_harm",
    ),
    RealFault(28, "an event loop blocked under load", *KILLED),
    RealFault(29, "clocks ten minutes and more apart, one set back", *KILLED),
    RealFault(30, "PostgreSQL killed, and every session of it ended", *KILLED),
    RealFault(
        30,
        "a commit of unknown outcome",
        f"{SCALE}/test_half_open_ways.py",
        "test_a_commit_without_an_answer_is_of_unknown_outcome",
    ),
    RealFault(
        31,
        "writers that wait for each other",
        f"{SCALE}/test_many_writers.py",
        "test_writers_that_wait_for_each_other_are_told_apart_from_mistakes",
    ),
    RealFault(
        31,
        "no connection left",
        f"{SCALE}/test_refusing_database.py",
        "test_who_gets_no_connection_tries_again",
    ),
    RealFault(
        32,
        "a full disk under SQLite",
        "tests/e2e/test_full_disk.py",
        "test_a_full_disk_costs_time_and_no_order",
    ),
    RealFault(
        32,
        "PostgreSQL full, and PostgreSQL that only reads",
        f"{SCALE}/test_refusing_database.py",
        "test_a_database_that_takes_nothing_costs_time_and_no_webhook",
    ),
    RealFault(34, "Redis killed, back empty", *KILLED),
    RealFault(34, "FLUSHALL", f"{SCALE}/test_wake_ups.py", "test_an_emptied_redis_is_nothing_new"),
    RealFault(
        34,
        "a Redis without room",
        f"{SCALE}/test_wake_ups.py",
        "test_a_redis_that_is_full_costs_wake_ups_and_nothing_else",
    ),
    RealFault(
        35,
        "a half-open way to Redis",
        f"{SCALE}/test_half_open_ways.py",
        "test_wake_ups_come_again_over_a_new_connection",
    ),
    RealFault(36, "workers killed in the middle of their work", *KILLED),
    RealFault(
        36,
        "a job that always fails",
        f"{SCALE}/test_wake_ups.py",
        "test_a_job_that_fails_takes_no_work_with_it",
    ),
    RealFault(
        37,
        "everybody buys one item",
        f"{SCALE}/test_readers_and_hot_items.py",
        "test_an_item_that_everybody_buys_costs_one_update_a_batch",
    ),
    RealFault(
        37,
        "two hundred carts at once for fifty units",
        f"{SCALE}/test_many_writers.py",
        "test_two_hundred_holds_at_once_take_fifty_units",
    ),
    RealFault(
        42,
        "an old process beside a schema that has grown",
        f"{SCALE}/test_old_beside_new.py",
        "test_an_old_process_works_on_beside_a_schema_that_has_grown",
    ),
    RealFault(
        43,
        "a compressed answer, however small",
        "tests/unit/sdk/test_http_over_a_socket.py",
        "test_a_compressed_answer_is_refused",
    ),
    RealFault(
        43,
        "an answer that does not end",
        "tests/unit/sdk/test_http_policy.py",
        "test_an_answer_beyond_the_cap_is_cut_off_and_closed",
    ),
    RealFault(
        43,
        "a redirect to another place",
        "tests/unit/sdk/test_http_over_a_socket.py",
        "test_a_redirect_to_another_place_sends_nothing_there",
    ),
)
