"""What a target's interpreter sees of Stormproof: standard library only, importable on its own."""

from .body import JobFailed, payload_for, run_body
from .policy import BackoffPolicy, Policy
from .promise import KeyPattern, Promise, Source
from .setup import Setup
from .spec import JobSpec
from .target import ABILITIES, Counts, Description, JobState, Rejected, Target

__all__ = [
    "ABILITIES",
    "BackoffPolicy",
    "Counts",
    "Description",
    "JobFailed",
    "JobSpec",
    "JobState",
    "KeyPattern",
    "Policy",
    "Promise",
    "Rejected",
    "Setup",
    "Source",
    "Target",
    "payload_for",
    "run_body",
]
