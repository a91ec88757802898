"""Bytes to records: envelopes, JSON, Ruby inspect, GraphQL. Pure: no clock, file, thread or network. A leaf."""
