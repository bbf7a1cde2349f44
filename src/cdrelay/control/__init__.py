"""Relational state: tables, migrations, the transaction at the edge, secrets at rest."""
