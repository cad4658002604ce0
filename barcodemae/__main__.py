"""`python -m barcodemae`: the command line, in the form that `accelerate launch -m` asks for."""

from barcodemae.cli import main

main()
