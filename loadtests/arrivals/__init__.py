"""Arrival profiles: pure plans of when which job arrives. One profile a file; a registry names them."""

from loadtests.arrivals.arrival import Arrival, Arrivals, ArrivalsError, Delayed
from loadtests.arrivals.burst import Burst, burst
from loadtests.arrivals.constant import Constant, constant
from loadtests.arrivals.registry import PROFILES, profile
from loadtests.arrivals.soak import Soak, soak

__all__ = [
    "PROFILES",
    "Arrival",
    "Arrivals",
    "ArrivalsError",
    "Burst",
    "Constant",
    "Delayed",
    "Soak",
    "burst",
    "constant",
    "profile",
    "soak",
]
