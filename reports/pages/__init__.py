"""From a briefing to pages, with the same bytes every time: templates, charts, fonts and the structure of the PDF.

Nothing here uses the network, and no template runs code.
"""
