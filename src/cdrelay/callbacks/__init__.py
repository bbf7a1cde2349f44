"""POSTs to URLs that others choose: guarded, signed, judged. Both halves send so."""
