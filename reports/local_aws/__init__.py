"""The deployed system on a laptop: resources as `template.yaml` names them, over moto.

Nothing here is part of what is deployed.
"""
