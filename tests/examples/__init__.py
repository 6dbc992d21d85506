"""The example host applications of the documentation, run as they stand there."""
