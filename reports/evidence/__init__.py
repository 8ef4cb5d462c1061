"""From objects in a folder or in S3 to exact answers: sources, questions, engines and their SQL.

Nothing here knows campaigns, and nothing writes to the evidence.
"""
