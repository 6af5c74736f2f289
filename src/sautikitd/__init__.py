"""Programmable voice for Kenya. Start reading at `app.py`; the tree is the table of contents."""

__version__ = "0.1.0"
