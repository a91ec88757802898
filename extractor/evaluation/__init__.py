"""Lines to outcomes: here, or in a process of its own on another core.

`evaluate` is pure, so it can run anywhere: lines go out, outcomes come back, and nothing else is shared. The process
keeps nothing; where it dies, the lines that it had are evaluated here.
"""
