"""What people see of OAuth: consent, and the page of tokens."""
