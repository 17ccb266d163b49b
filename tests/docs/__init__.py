"""Tests of the documentation: its examples run, its links resolve, its generated pages are up to date."""
