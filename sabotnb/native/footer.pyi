"""Check the footer of a Parquet file before pyarrow reads it."""

ENCRYPTED_FILE: str

def footer_fault(footer: bytes) -> str | None:
    """Return why pyarrow cannot read the metadata of a column chunk in ``footer``; None if it can read all.

    ``footer`` is the Thrift struct alone. pyarrow ends the process where a chunk contradicts the schema.
    """
