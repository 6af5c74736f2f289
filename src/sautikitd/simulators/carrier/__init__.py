"""The simulated carrier of test mode: a SIP far end whose behaviour depends on the number that is called."""
