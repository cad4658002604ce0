"""The one exception for what a user can put right."""


class BarcodeMAEError(ValueError):
    """Bad input: the message names the file, the record and the remedy."""


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
