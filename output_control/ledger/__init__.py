"""The release ledger: who is in which released cell, and what a new request would disclose beside that.

``rows`` and ``released`` hold what is remembered, ``store`` keeps it encrypted, ``overlap`` compares two tables,
``joint`` protects new tables together with all that was released before. Science: ``docs/explanation/release-ledger``.
"""
