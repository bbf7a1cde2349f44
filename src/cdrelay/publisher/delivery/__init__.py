"""Windows on their way to partners: cut, spread, kept in the outbox, sent until they have arrived."""
