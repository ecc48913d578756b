"""Background work: the supervisor that turns dirty keys into runs of the engine."""
