"""See docs/explanation for what lives here."""
