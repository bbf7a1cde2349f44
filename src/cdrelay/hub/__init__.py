"""The face of a running process: the page of the loop, the same as JSON, metrics, health."""
