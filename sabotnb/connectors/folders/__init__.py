"""Which files a source reads: paths, globs, links, and columns that are in the names of folders."""
