"""Other ways to protect a table than hiding cells: coarser margins, rounding, perturbation; and what each one costs."""
