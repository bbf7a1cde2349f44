"""The directory over HTTP, for the operator's own programs: `/v1/directory/…`."""
