"""What a Hugging Face Space with the page needs, beside the package, the models and a library."""
