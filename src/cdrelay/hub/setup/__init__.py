"""Organization Settings > Call Detail Records: a partner's administrators set their webhook and read its deliveries."""
