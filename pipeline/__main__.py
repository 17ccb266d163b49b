"""``python -m pipeline``: the ``zicht`` command, for processes that start it themselves."""

from pipeline.main import main

if __name__ == "__main__":
    main()
