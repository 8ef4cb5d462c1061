"""The deployed system between its triggers and the pipeline: requests, schedules, quotas, renewals, and its parts.

Nothing here knows what an event looks like: that is for `functions`.
"""
