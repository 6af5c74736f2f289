"""Far ends of our own, separate processes speaking the real protocols, for test mode, development and tests."""
