"""The loop that every objective is trained by: exact resume, records, checkpoints, devices."""
