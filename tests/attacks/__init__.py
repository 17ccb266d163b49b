"""Attacks: what someone tries who wants a record, an identifier or a wrong number out, or data to get lost."""
