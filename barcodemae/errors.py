"""The exception for what a user can put right."""


class BarcodeMAEError(ValueError):
    """Bad input: the message names the file, the record and the remedy."""


class FaultyRecord(BarcodeMAEError):
    """One record that cannot be used; a reader that was told to would leave it out."""


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
