"""Sources that are not file formats, and the reader, pacing and positions that all sources share."""
