"""What a gate, that of adapters or that of the router, compares."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One comparison of a candidate with what is in production, both asked the same."""

    name: str
    candidate: float
    production: float
    difference: float  # candidate - production
    low: float  # 95 % of the paired bootstrap's differences lie between low and high
    high: float
    passed: bool
    reason: str  # a plain sentence, whether it passed or not
