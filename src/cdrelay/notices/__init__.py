"""What people must be told, kept until they are: by mail and by webhook. Both halves tell so."""
