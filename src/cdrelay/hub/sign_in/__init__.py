"""Signing in at the hub: sessions, the form, and the company's own provider."""
