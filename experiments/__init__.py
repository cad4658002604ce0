"""The real runs: every variant of the paper, trained and judged alike. See README.md here."""
