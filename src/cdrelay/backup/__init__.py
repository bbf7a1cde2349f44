"""Backups of a home folder while it is in use, and new homes out of them."""
