"""Extract activation events from a billing app's own logs and forward them to Segment."""

__version__ = "0.1.0"
