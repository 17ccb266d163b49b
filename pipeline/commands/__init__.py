"""One module per group of commands; each has ``register(app)`` and imports heavy things where it uses them."""
