"""Resources of the Bare Metal API, version 1. Each module declares the routes of one resource or helps such modules."""
