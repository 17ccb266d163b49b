"""Whatever bytes a parser is given: an answer or a clear error, never a crash, never a value in a message."""
