"""metald: the reference host application of baremetal-sdk."""
