"""The HTTP faces: receivers, the API, probes, metrics and the live page."""
