"""Faults, crowds, long work and other databases: what a step keeps to when it gets hard."""
