"""Sources other than file formats, and what all sources share."""
