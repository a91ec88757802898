"""Records to events: the rule language, matching, projection, message ids, the prefilter. Pure."""
