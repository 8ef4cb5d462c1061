"""What a briefing says, as data: campaigns, figures, accounts and attachments.

Nothing here knows how it is set on pages, and nothing reads a clock.
"""
