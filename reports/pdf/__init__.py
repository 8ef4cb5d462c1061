"""What a briefing's file may be made of: bounded reading, the structure of its pages, and the one writer of updates.

Signing and checking both stand on this room, which knows neither keys nor trust.
"""
