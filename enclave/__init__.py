"""The ground floor: zones and typed frames, output requests, errors, fingerprints, journal, signatures, engine."""
