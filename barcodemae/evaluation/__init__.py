"""The paper's evaluation, on any encoder and any barcodes, beside what labs use today."""
