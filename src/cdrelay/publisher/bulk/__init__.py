"""The directory as one document: export, and import with a dry run."""
