"""Every clause of the contract catches a connector that is broken in its one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from channelsync.sdk.quality import FILE_NAME, RULES
from channelsync.sdk.testing.contract import ConnectorContract, ContractBroken, World
from channelsync_acme.connector import AcmeConnector
from templates.connector.tests.test_contract import AcmeWorld
from tests.contract.kit import broken_hearing as hearing
from tests.contract.kit import broken_pushes as pushes
from tests.contract.kit.sabotage import Method, broken_suite
from tests.support.shopify_world import ShopifyWorld
from tests.support.till_world import TillWorld


class SellsBeyond(AcmeWorld):
    """A simulator that does not enforce what the manifest says."""

    @override
    async def stock(self, sku: str, units: int) -> None:
        await super().stock(sku, units)
        await self.stop_enforcing(sku)


class WritesAgain(AcmeWorld):
    """A marketplace that applies a write once more, long after its limit."""

    @override
    async def later(self, seconds: float) -> None:
        await super().later(seconds)
        if seconds > 3_600:
            await self.edit("MUG", 8)


class SignsUrls(AcmeWorld):
    """A marketplace whose signature covers the URL, says its world."""

    signs_url = True


class Quiet(AcmeConnector):
    """Of a package, this one, that says nothing of its quality."""


class SaysNothing(AcmeWorld):
    """A connector from a package without a quality.yaml."""

    @property
    @override
    def connector(self) -> AcmeConnector:
        return Quiet()


@dataclass(frozen=True)
class Control:
    """One broken connector."""

    clause: str
    world: type[World]
    methods: Mapping[str, Method] = field(default_factory=dict)
    declared: Mapping[str, Any] = field(default_factory=dict)

    @override
    def __str__(self) -> str:
        names = [getattr(one, "__name__", "") for one in self.methods.values()]
        what = " ".join([*names, *self.declared]) or self.world.__name__
        return f"{self.clause.removeprefix('test_')}-{what}"


CONTROLS = [
    Control("test_what_is_declared_can_be_used", AcmeWorld, declared={"sdk_version": 0}),
    Control("test_the_quality_file_is_true", SaysNothing),
    Control("test_a_channel_opens_without_the_network", AcmeWorld, {"open": pushes.calls_home}),
    Control("test_the_marketplace_enforces_what_is_declared", SellsBeyond),
    Control(
        "test_a_cut_line_is_told_as_such",
        AcmeWorld,
        {"push": pushes.says_unknown_when_nothing_left},
    ),
    Control(
        "test_a_cut_line_is_told_as_such",
        AcmeWorld,
        {"orders_since": hearing.passes_over_failures},
    ),
    Control(
        "test_refused_credentials_ask_for_a_person",
        AcmeWorld,
        {"orders_since": pushes.never_asks_for_a_person},
    ),
    Control(
        "test_an_expired_token_costs_a_moment_and_no_unit",
        ShopifyWorld,
        {"push": pushes.takes_401_for_a_no},
    ),
    Control(
        "test_a_self_test_passes_when_all_is_well_and_never_raises",
        AcmeWorld,
        {"test": pushes.raises_in_its_self_test},
    ),
    Control("test_preparing_is_pure", AcmeWorld, {"prepare": pushes.prepares_by_the_clock}),
    Control("test_a_push_does_what_it_says", AcmeWorld, {"push": pushes.applies_in_words_only}),
    Control("test_a_push_does_what_it_says", AcmeWorld, declared={"confirms_at_once": False}),
    Control(
        "test_a_raise_without_compare_adds_to_whatever_is_there",
        ShopifyWorld,
        {"prepare": pushes.compares_what_it_believes},
    ),
    Control(
        "test_a_stale_compare_is_refused_as_stale",
        ShopifyWorld,
        {"push": pushes.forgets_what_was_stale},
    ),
    Control(
        "test_a_lost_answer_and_its_replays_apply_once",
        ShopifyWorld,
        pushes.takes_a_new_key_for_each_copy,
    ),
    Control(
        "test_a_lost_request_is_applied_by_its_copy",
        ShopifyWorld,
        {"push": pushes.gives_up_after_one_copy},
    ),
    Control(
        "test_a_key_used_for_other_contents_applies_nothing",
        ShopifyWorld,
        {"prepare": pushes.derives_its_key_from_the_contents},
    ),
    Control("test_every_copy_is_the_same_bytes", AcmeWorld, {"push": pushes.stamps_each_copy}),
    Control(
        "test_one_attempt_is_one_request_and_a_bad_answer_proves_nothing",
        AcmeWorld,
        {"push": pushes.retries_by_itself},
    ),
    Control(
        "test_one_attempt_is_one_request_and_a_bad_answer_proves_nothing",
        AcmeWorld,
        {"push": pushes.says_refused_when_unanswered},
    ),
    Control(
        "test_each_row_of_a_batch_has_its_own_truth_in_whatever_order",
        AcmeWorld,
        {"push": pushes.mixes_rows_up},
    ),
    Control(
        "test_each_row_of_a_batch_has_its_own_truth_in_whatever_order",
        AcmeWorld,
        {"push": pushes.blames_nobody},
    ),
    Control(
        "test_each_row_of_a_batch_has_its_own_truth_in_whatever_order",
        ShopifyWorld,
        declared={"batch_atomic": False},
    ),
    Control(
        "test_an_offer_that_is_gone_is_refused_for_good",
        AcmeWorld,
        {"push": pushes.forgets_which_listing_is_unfit},
    ),
    Control("test_a_write_applies_within_its_limit_or_never", WritesAgain),
    Control("test_a_reading_is_what_is_shown", AcmeWorld, {"read": pushes.reads_one_for_all}),
    Control(
        "test_a_reading_was_true_between_its_two_instants",
        AcmeWorld,
        {"read": pushes.dates_its_questions_late},
    ),
    Control(
        "test_an_offer_that_is_gone_reads_as_nothing", AcmeWorld, {"read": pushes.invents_a_zero}
    ),
    Control(
        "test_an_offer_that_sells_beyond_its_number_is_found",
        AcmeWorld,
        {"read": pushes.sees_no_assumption},
    ),
    Control(
        "test_every_offer_is_found_with_what_is_needed_to_work_with_it",
        AcmeWorld,
        {"listings": pushes.cuts_the_catalogue_short},
    ),
    Control(
        "test_two_offers_of_one_sku_are_refused_with_the_reason",
        AcmeWorld,
        {"listings": pushes.finds_every_sku_fit},
    ),
    Control(
        "test_a_channel_that_is_throttled_slows_down", AcmeWorld, {"orders_since": pushes.hammers}
    ),
    Control("test_polling_tells_every_order", AcmeWorld, {"orders_since": hearing.drops_a_fact}),
    Control(
        "test_beginning_finds_what_was_open_at_that_instant",
        AcmeWorld,
        {"orders_since": hearing.looks_at_young_orders_only},
    ),
    Control(
        "test_a_cursor_may_be_used_twice",
        AcmeWorld,
        {"orders_since": hearing.tells_each_fact_once},
    ),
    Control(
        "test_a_failed_page_leaves_no_gap",
        AcmeWorld,
        {"orders_since": hearing.passes_over_failures},
    ),
    Control(
        "test_an_order_asked_for_by_its_id_is_told_like_by_the_poll",
        AcmeWorld,
        {"orders_by_id": hearing.forgets_cancels_by_id},
    ),
    Control(
        "test_words_add_up_to_the_truth_in_any_order_of_arrival",
        ShopifyWorld,
        {"orders_since": hearing.tells_what_is_left},
    ),
    Control(
        "test_a_webhook_tells_what_the_poll_tells",
        AcmeWorld,
        {"parse": hearing.thinks_nothing_was_shipped},
    ),
    Control(
        "test_the_watermark_never_goes_back_nor_ahead_of_what_was_told",
        AcmeWorld,
        {"orders_since": hearing.runs_ahead},
    ),
    Control(
        "test_the_watermark_never_goes_back_nor_ahead_of_what_was_told",
        TillWorld,
        {"orders_since": hearing.runs_ahead},
    ),
    Control(
        "test_a_sale_tells_when_the_counter_moved",
        AcmeWorld,
        {"orders_by_id": hearing.dates_sales_by_its_own_clock},
    ),
    Control(
        "test_a_cancel_says_what_it_did_to_the_counter",
        AcmeWorld,
        {"orders_by_id": hearing.says_never_relisted},
    ),
    Control(
        "test_copies_of_a_webhook_have_one_key_and_others_another",
        AcmeWorld,
        {"verify_webhook": hearing.gives_each_copy_its_own_key},
    ),
    Control(
        "test_copies_of_a_webhook_have_one_key_and_others_another",
        AcmeWorld,
        {"verify_webhook": hearing.gives_everything_one_key},
    ),
    Control(
        "test_any_changed_byte_is_refused",
        AcmeWorld,
        {"verify_webhook": hearing.believes_everybody},
    ),
    Control("test_a_webhook_for_another_url_is_refused", SignsUrls),
    Control(
        "test_odd_bodies_raise_nothing_but_what_is_agreed",
        AcmeWorld,
        {"verify_webhook": hearing.fails_in_its_own_words},
    ),
    Control(
        "test_what_is_stored_is_all_that_parsing_needs",
        AcmeWorld,
        {"parse": hearing.parses_by_the_clock},
    ),
    Control(
        "test_a_reduction_that_is_not_understood_is_a_bad_delivery",
        AcmeWorld,
        {"parse": hearing.parses_in_its_own_words},
    ),
    Control(
        "test_lost_subscriptions_are_mended",
        AcmeWorld,
        {"ensure_subscriptions": hearing.subscribes_once},
    ),
    Control(
        "test_a_moved_receiver_takes_its_subscriptions_with_it",
        AcmeWorld,
        {"ensure_subscriptions": hearing.leaves_old_subscriptions},
    ),
    Control(
        "test_a_row_sent_again_is_the_same_delivery",
        TillWorld,
        {"accept_sale": hearing.numbers_rows_by_the_clock},
    ),
    Control(
        "test_a_batch_tells_the_truth_whatever_its_order",
        TillWorld,
        {"parse": hearing.overlooks_voids},
    ),
    Control("test_one_bad_row_refuses_itself", TillWorld, {"accept_sale": hearing.quotes_the_row}),
    Control(
        "test_a_stranger_posts_no_batch", TillWorld, {"authenticate": hearing.lets_anybody_post}
    ),
    Control("test_a_number_told_is_shown", TillWorld, {"tell": hearing.shows_nothing}),
    Control(
        "test_nothing_of_a_person_and_no_secret_leaves_the_connector",
        AcmeWorld,
        {"verify_webhook": hearing.keeps_the_whole_body},
    ),
    Control(
        "test_nothing_of_a_person_and_no_secret_leaves_the_connector",
        AcmeWorld,
        {"verify_webhook": hearing.logs_the_body},
    ),
    Control(
        "test_the_words_of_a_refusal_repeat_nothing_of_the_body",
        AcmeWorld,
        {"verify_webhook": hearing.quotes_the_body},
    ),
]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_a_broken_connector_is_caught(control: Control) -> None:
    suite = broken_suite(control.world, control.methods, control.declared)
    with pytest.raises(ContractBroken):
        getattr(suite, control.clause)()


def test_every_clause_has_a_connector_that_breaks_it() -> None:
    clauses = {name for name in dir(ConnectorContract) if name.startswith("test_")}
    assert clauses - {control.clause for control in CONTROLS} == set()


@pytest.mark.parametrize("world", [AcmeWorld, ShopifyWorld, TillWorld])
def test_what_breaks_them_is_the_sabotage_and_not_its_frame(world: type[World]) -> None:
    suite = broken_suite(world, {}, {})
    for clause in sorted({control.clause for control in CONTROLS if control.world is world}):
        getattr(suite, clause)()


@pytest.mark.parametrize(
    ("boast", "said"),
    [
        ("contract::test_a_number_told_is_shown", "does not apply: the channel has no capability"),
        ("contract::test_everything", "is no clause of the contract"),
        ("tests/test_contract.py::TestAcme::test_everything", "that do not exist"),
    ],
)
def test_a_boast_in_the_quality_file_is_caught(
    boast: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / f"boastful_{abs(hash(boast))}"
    package.mkdir()
    (package / "__init__.py").touch()
    rules = dict.fromkeys(RULES, "todo") | {"pushes": f"{{done: ['{boast}']}}"}
    lines = [f"  {name}: {answer}" for name, answer in rules.items()]
    (package / FILE_NAME).write_text("\n".join(["rules:", *lines]), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    class Boastful(AcmeWorld):
        @property
        @override
        def connector(self) -> AcmeConnector:
            made = type("Boastful", (AcmeConnector,), {"__module__": package.name})()
            assert isinstance(made, AcmeConnector)
            return made

    with pytest.raises(ContractBroken, match=said):
        broken_suite(Boastful, {}, {}).test_the_quality_file_is_true()


def test_what_a_world_neither_writes_nor_exempts_fails() -> None:
    class Silent(AcmeWorld):
        edit = World.edit

    with pytest.raises(ContractBroken, match="edit is not written"):
        broken_suite(Silent, {}, {}).test_a_reading_is_what_is_shown()
