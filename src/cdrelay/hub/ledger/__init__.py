"""The ledger for people: a heat map of organizations by hour, and what is behind each cell. No sign-in, no names."""
