"""Risk factors of hemp farms in dwellings (D2)."""
