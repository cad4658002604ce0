"""Simulated barcodes of evolved species, for demonstrations and tests."""
