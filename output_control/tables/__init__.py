"""Tables with evidence: dimensions, cells, relations, and which cells are sensitive by themselves."""
