"""What a target promises of its keys, and where the reference says so."""

import re
from dataclasses import replace
from typing import Any

import pytest
from stormproof_target import KeyPattern, Policy, Promise, Setup

from system.reference.keys import PREFIX
from system.targets.reference import PROMISES, ReferenceTarget

pytestmark = pytest.mark.unit


def test_the_reference_s_patterns_are_those_that_its_handbook_lists() -> None:
    listed = PROMISES.read_text(encoding="utf-8").partition("## Its keys")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in listed.splitlines() if line.startswith("| `")]
    named = [name.replace("rq:", f"{PREFIX}:", 1) for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(named) == sorted(each.pattern for each in ReferenceTarget(Setup()).promise().keys)


def test_a_job_s_keys_may_live_as_long_as_its_result_or_as_late_copies_come() -> None:
    def longest(**policy: Any) -> dict[str, float | None]:  # noqa: ANN401  # fields of Policy
        promise = ReferenceTarget(Setup(policy=replace(Policy(), **policy))).promise()
        return {each.pattern.removeprefix(f"{PREFIX}:"): each.ttl_s_max for each in promise.keys}

    assert longest(result_ttl_s=500.0)["job:*"] == longest(result_ttl_s=500.0)["results:*"] == 505
    assert longest(result_ttl_s=1.0)["job:*"] == 65
    assert longest(rate_window_s=10.0)["sp:rate:*"] == 71
    assert longest()["worker:*"] == 60
    assert longest()["queue:*"] is None


@pytest.mark.parametrize(
    "clause",
    [
        "early",
        "rejections",
        "claim_s",
        "hold_s",
        "cancel",
        "cancel_requested",
        "results",
        "leaks",
        "growth_mib",
        "residue",
    ],
)
def test_each_clause_of_what_is_observed_quotes_the_handbook(clause: str) -> None:
    source = ReferenceTarget(Setup()).promise().sources[clause]
    assert f"- {source.sentence}\n" in PROMISES.read_text(encoding="utf-8")


def test_a_promise_of_keys_survives_its_way_through_json() -> None:
    promise = Promise(keys=(KeyPattern("q:job:*", 60, "job"), KeyPattern("q:*")))
    assert Promise.from_dict(promise.to_dict()) == promise


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"pattern": ""}, "pattern '' is no text"),
        ({"pattern": "a", "per": "queue"}, "per 'queue' of a is neither '' nor 'job'"),
        ({"pattern": "a", "ttl_s_max": "60"}, "ttl_s_max '60' of a is neither null nor a positive number"),
        ({"pattern": "a", "ttl_s_max": 0}, "ttl_s_max 0 of a is neither null nor a positive number"),
        ({"pattern": "a", "ttl_s_max": True}, "ttl_s_max True of a is neither null nor a positive number"),
        ({"pattern": "a", "max": 1}, "max"),
        ({}, "pattern"),
    ],
)
def test_a_pattern_that_says_nonsense_is_refused_by_name(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=r"promise: keys: ") as refused:
        Promise.from_dict({"keys": [given]})
    assert says in str(refused.value)
