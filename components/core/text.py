"""Text from outside, such as file names, for people: on one line, in valid UTF-8, without control characters."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    r"""Returns a text that a terminal, a log and a UTF-8 file can show.

    Args:
        text: Any text. Bytes of a file name that are not UTF-8 are surrogates in it, as in `os.fsdecode`.

    Returns:
        The text; control characters, line ends, marks that reverse the direction of writing and bytes that are not
        UTF-8 are escaped: "take\n1", "gr\xfcn".
    """
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode could not decode
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def counted(count: int, noun: str, plural: str = "") -> str:
    """Returns a count with its noun: "1 recording", "2,000 recordings", "0 families".

    Args:
        count: How many.
        noun: In the singular; may have words before it ("held-out note").
        plural: The noun in the plural, where it is not made by the rules for "family", "batch" and "note".
    """
    if not plural:
        if noun.endswith("y") and noun[-2:-1] not in "aeiou":
            plural = f"{noun[:-1]}ies"
        else:
            plural = f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
