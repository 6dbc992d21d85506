"""The conductors of a cluster: membership, liveness, and the assignment of nodes."""
