"""cdrelay: publisher and collector of partner call detail records."""

__version__ = "0.1.0"
