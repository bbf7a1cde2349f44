"""What partners' people must be told, kept until they are: by mail, and by a second webhook."""
