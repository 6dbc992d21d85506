"""Driver plugin for machines with Redfish. Entry points load the classes from their modules."""
