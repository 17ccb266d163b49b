"""The page that explains a protected table: to its checkers with all the evidence, to its author without."""
