"""Find nesting in JSON text that is too deep for a recursive parser."""

def first_deeper(text: bytes, limit: int) -> int:
    """Return the offset of the first ``[`` or ``{`` that lies in more than ``limit - 1`` open ones, or -1.

    Brackets in strings do not count. In text that is not JSON only the part before the first error is judged.
    """
