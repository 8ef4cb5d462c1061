"""`python -m reports` is `exhibit`."""

from reports.cli import program

program()
