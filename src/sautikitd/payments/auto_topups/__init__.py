"""Top-ups that are offered of themselves when the balance is low."""
