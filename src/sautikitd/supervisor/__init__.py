"""`sautikitd serve`: PostgreSQL and every role on one machine, started in order, watched, and stopped in order."""
