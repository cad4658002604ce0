"""Training ENBED: pretraining on genomes, and its four tasks."""
