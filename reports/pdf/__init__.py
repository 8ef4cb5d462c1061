"""What a briefing's file may be made of: reading within bounds, the grammar, and the one writer of its updates.

Nothing here signs, decides whom to trust, or knows what is on the pages.
"""
