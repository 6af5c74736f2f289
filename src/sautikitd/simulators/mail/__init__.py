"""A mail server that delivers nothing: development and the tests look at what was sent."""
