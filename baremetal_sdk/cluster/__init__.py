"""The conductors of a cluster: membership, liveness and the placement of nodes."""
