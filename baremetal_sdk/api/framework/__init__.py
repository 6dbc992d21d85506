"""The framework of the API: routes, requests, microversions, views, JSON Patch and OpenAPI."""
