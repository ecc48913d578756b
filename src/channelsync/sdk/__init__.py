"""Everything a connector may import.

Value types (`types`), the protocols (`connector`), channels made of parts (`parts`), errors
(`errors`), the HTTP client's policy (`http`), what JSON APIs have in common (`wire`), signature
helpers (`signatures`) and, for its tests, `testing`.
"""
