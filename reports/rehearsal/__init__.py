"""The deployed system on a laptop: resources as `template.yaml` names them."""
