"""What can be wrong with an installation, and what to do about it. Looks, beside whatever runs, and changes nothing."""
