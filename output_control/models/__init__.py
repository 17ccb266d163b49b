"""Regressions and trees, estimated by the gate, and the checks that each needs."""
