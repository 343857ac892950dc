"""Draws kinds of job by weight: shuffled, yet in proportion, so that no run lacks a kind by bad luck."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from random import Random
from typing import Final

from loadtests.arrivals.arrival import T

BLOCK_JOBS_MAX: Final = 1000
WEIGHT_DENOMINATOR_MAX: Final = 1000


def mixed(jobs: Mapping[T, float], count: int, rng: Random) -> Iterator[T]:
    """``count`` jobs in shuffled blocks, each block of the mix's proportions.

    A block is the smallest that the weights' ratio allows (19 : 1 gives 20), at most ``BLOCK_JOBS_MAX`` jobs.
    Every kind of a positive weight occurs where ``count`` is at least the number of such kinds.
    """
    shares = {job: Fraction(weight).limit_denominator(WEIGHT_DENOMINATOR_MAX) for job, weight in jobs.items()}
    shares = {job: share for job, share in shares.items() if share > 0}
    common = math.lcm(*(share.denominator for share in shares.values()))
    whole = {job: int(share * common) for job, share in shares.items()}
    size = min(sum(whole.values()) // math.gcd(*whole.values()), BLOCK_JOBS_MAX)
    given = dict.fromkeys(whole, 0)
    for done in range(0, count, size):
        numbers = _numbers(whole, given, min(size, count - done))
        block = [job for job, number in numbers.items() for _ in range(number)]
        rng.shuffle(block)
        yield from block
        given = {job: given[job] + number for job, number in numbers.items()}


def _numbers(weights: Mapping[T, int], given: Mapping[T, int], size: int) -> dict[T, int]:
    """Apportion the next ``size`` jobs, by the method of largest remainders over all jobs so far."""
    total, done = sum(weights.values()), sum(given.values())
    owed = {job: weight * (done + size) - given[job] * total for job, weight in weights.items()}  # in 1/total
    floor = 1 if not done and size >= len(weights) else 0
    numbers = {job: max(owe // total, floor) for job, owe in owed.items()}
    by_remainder = sorted(owed, key=lambda job: owed[job] - numbers[job] * total, reverse=True)
    for job in by_remainder[: max(size - sum(numbers.values()), 0)]:
        numbers[job] += 1
    for _ in range(sum(numbers.values()) - size):
        numbers[max(numbers, key=numbers.__getitem__)] -= 1
    return numbers


def spread(share: float, rng: Random) -> Iterator[bool]:
    """Yield endlessly; ``share`` of the values are true, evenly spread from a random phase on."""
    level = rng.random()
    while True:
        level += share
        yield level >= 1
        level %= 1
