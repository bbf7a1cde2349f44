"""What a telephony platform's own call record means as a call record of ours: a table for each platform."""
