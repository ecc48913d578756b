"""Wake-ups: how workers hear that there may be work. Losing one costs time, never work."""
