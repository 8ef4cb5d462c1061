"""Entry points of the deployed system, one a trigger: an event becomes a call, and what it returns an answer."""
