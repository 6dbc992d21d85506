"""metald: the reference host application, a bare-metal service that embeds baremetal-sdk."""
