"""What was written for version 1.0 of the contract. It is never changed."""
