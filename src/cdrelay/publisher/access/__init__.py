"""Who may do what: administrators, tokens, keys, and the OAuth 2.0 server that gives tokens out."""
