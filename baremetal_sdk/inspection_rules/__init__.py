"""Inspection rules: operators write conditions and actions, which run after the inspection of a node."""
