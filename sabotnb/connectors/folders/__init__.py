"""Finds the files of a source (paths, globs, links), and reads columns from the names of folders."""
