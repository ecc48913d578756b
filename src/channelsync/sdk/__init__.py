"""Everything a connector may import.

Value types (`types`), the protocols (`connector`), errors (`errors`), the HTTP client's policy
(`http`), signature helpers (`signatures`) and, for its tests, `testing`.
"""
