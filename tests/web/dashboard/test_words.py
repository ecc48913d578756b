"""Words for people."""

from __future__ import annotations

from channelsync.web.dashboard.words import cause_words


def test_a_cause_says_what_was_seen_and_then_what_was_learnt() -> None:
    seen, both = cause_words("beyond_grant"), cause_words("beyond_grant: sole_writer")
    assert both == f"{seen}; {cause_words('sole_writer')}"
    assert cause_words("a_new_one") == "a new one"
