"""Rules for changes of nodes and of the records that belong to them: the states of a node that allow each change."""
