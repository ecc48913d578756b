"""The REST API, `/api/v1`: thin routes over the use cases, one module an area."""
