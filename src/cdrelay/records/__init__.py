"""The call record: its fields, the wire format and typed values, identity. Pure: no disk, no network, no clock."""
