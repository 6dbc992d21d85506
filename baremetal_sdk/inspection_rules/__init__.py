"""Inspection rules: what operators want done with what an inspection finds."""
