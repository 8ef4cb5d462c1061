"""The checks of a briefing: signature, attachments, evidence, reproduction, proofs.

Nothing here signs or changes a file.
"""
