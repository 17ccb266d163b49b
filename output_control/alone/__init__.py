"""`zicht protect`: a table alone, from a folder of its owner to a pattern, a public table and pages."""
