"""Sequencing errors in barcodes: who has them, where, and what undoes them."""
