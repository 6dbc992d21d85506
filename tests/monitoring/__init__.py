"""What others see of a conductor: metrics, traces and the log."""
