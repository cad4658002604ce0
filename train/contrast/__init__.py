"""Supervised contrast: barcodes of a taxon come together, beside or without hidden k-mers."""
