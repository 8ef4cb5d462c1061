"""What every room needs: errors, verdicts, windows, settings, certificates, progress and small formats.

Nothing here knows evidence, a PDF or a network; what does belongs into a room above.
"""
