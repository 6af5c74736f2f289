"""The simulated Daraja of test mode."""
