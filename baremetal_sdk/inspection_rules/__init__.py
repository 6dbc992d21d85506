"""Inspection rules: conditions and actions of operators that run after the inspection of a node."""
