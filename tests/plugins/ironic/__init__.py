"""The bridge to Ironic; ``tox -e ironic`` runs the tests that need Ironic itself."""
