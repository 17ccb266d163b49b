"""Analyses run here: a subprocess without network or files of others, out of which only requests and codes come.

The way in is :func:`pipeline.sandbox.run.run_analysis`. Nothing is imported here, since the child imports this package.
"""
