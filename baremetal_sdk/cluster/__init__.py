"""Cluster of conductors: their registration, the detection of dead ones, and the assignment of nodes to live ones."""
