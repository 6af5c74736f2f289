"""Trunks: where live calls leave and arrive. Kept by the operator, used by voice nodes."""
