"""From a briefing to the same bytes every time: templates, charts, fonts and the structure of the PDF.

Nothing here asks a network, and no template runs code.
"""
