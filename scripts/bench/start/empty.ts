// Nothing: what a runtime needs to start.
