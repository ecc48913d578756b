"""Words for people."""

from __future__ import annotations

from channelsync.web.dashboard.words import cause_words, coded


def test_a_cause_says_what_was_seen_and_then_what_was_learnt() -> None:
    seen, both = cause_words("beyond_grant"), cause_words("beyond_grant: sole_writer")
    assert both == f"{seen}; {cause_words('sole_writer')}"
    assert cause_words("sold_again").endswith("nothing is missing")
    assert cause_words("a_new_one") == "a new one"


def test_what_stands_between_backticks_is_code_and_everything_is_escaped() -> None:
    assert coded("run `a <b>` & see") == "run <code>a &lt;b&gt;</code> &amp; see"
    assert coded("one ` alone <b>") == "one ` alone &lt;b&gt;"
