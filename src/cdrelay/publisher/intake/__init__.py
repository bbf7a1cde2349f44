"""Call records that are handed in by POST."""
