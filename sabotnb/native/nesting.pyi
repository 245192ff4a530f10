def first_deeper(text: bytes, limit: int) -> int:
    """Return the offset of the first ``[`` or ``{`` that lies in more than ``limit - 1`` open ones, or -1.

    Brackets in strings do not count. Of text that is not JSON it judges what comes before the first error.
    """
