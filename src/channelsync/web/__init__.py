"""The HTTP faces: receivers for marketplaces and tills, the API, probes, metrics and the live page."""
