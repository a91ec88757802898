"""What is learned from lines: how an app's lines change, which kinds a log has, which rules examples suggest. Pure."""
