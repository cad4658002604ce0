"""Exported weights small enough for the repository, and for the package."""
