"""Linkage at the source: suppliers hand over Bloom filters of persons instead of who they are."""
