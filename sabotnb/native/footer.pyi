ENCRYPTED_FILE: str

def footer_fault(footer: bytes) -> str | None:
    """What keeps pyarrow from handing out the metadata of every column chunk in ``footer``; None if nothing does.

    ``footer`` is the Thrift struct alone. pyarrow ends the process where a chunk contradicts the schema.
    """
