"""What a briefing says, as data: campaigns, figures, accounts and attachments.

Nothing here knows about pages, and nothing reads a clock.
"""
