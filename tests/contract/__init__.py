"""The contract, the local task and the conformance kit."""
