"""Where batches go, and what an answer means: take serialized messages, give a verdict."""
