"""Where editions are kept, with their receipts and the register of publications, create-only.

Nothing here makes or checks a document.
"""
