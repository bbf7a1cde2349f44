"""`python -m cdrelay`."""

from cdrelay.cli.main import run

run()
