"""Which taxon a barcode belongs to: neighbours in a reference library, or a trained classifier."""
