"""Pretraining: masked k-mers, and beside them taxa (semi-supervised)."""
