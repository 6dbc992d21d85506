"""Framework for the resources of the API: route declarations, request parsing, microversions, JSON views, patches, OpenAPI."""
