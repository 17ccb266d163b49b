"""Figures drawn by the gate from what is released."""
