"""Checks of a listener or a publisher from outside, over real HTTP: ours or another's."""
