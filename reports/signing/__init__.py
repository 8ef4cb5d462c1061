"""Keys, certificates for them, time-stamps, and the signature.

Nothing here checks a signature for a reader: that is `verification`, which never imports from here.
"""
