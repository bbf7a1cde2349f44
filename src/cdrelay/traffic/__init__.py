"""Synthetic calls, reproducible by seed, with faults on request. Pure: no network, no disk, no clock."""

from cdrelay.traffic.faults import Faults
from cdrelay.traffic.generate import Plan, Traffic
from cdrelay.traffic.organizations import Organization

__all__ = ["Faults", "Organization", "Plan", "Traffic"]
