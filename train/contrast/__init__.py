"""Supervised contrast: barcodes of a taxon come together, beside or without masked k-mers."""
