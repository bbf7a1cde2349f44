"""The rules both halves obey: windows, query ranges, paging, signature, organization ids, error bodies. Pure."""
