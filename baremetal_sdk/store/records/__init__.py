"""Record classes of the stores, which are frozen dataclasses, and parameters of listings."""
