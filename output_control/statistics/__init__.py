"""Figures that follow from counts and records: rates, percentiles, transitions; and what they give back."""
