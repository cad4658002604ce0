"""A web page that identifies barcodes, for a lab's own machine or a Hugging Face Space."""
