"""A finding in, a report in words out; it computes nothing."""
