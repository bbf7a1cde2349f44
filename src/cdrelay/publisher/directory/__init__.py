"""Who is whose customer, who holds which licence, and what follows from it: entitlement."""
