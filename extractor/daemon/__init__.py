"""What the service is made of: its parts, one pass or two loops, what is told of them, and what a process owes."""
