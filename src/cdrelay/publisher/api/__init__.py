"""What partners and organizations ask for: counts, records, history."""
