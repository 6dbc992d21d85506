"""The resources of the Bare Metal API, version 1: one module for each."""
