"""The one exception for what a user can put right."""


class BarcodeMAEError(ValueError):
    """Bad input: the message names the file, the record and the remedy."""
