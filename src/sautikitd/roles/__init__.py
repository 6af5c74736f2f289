"""The processes of the platform, one module each with `async def run(settings, process)`; see `process.py`."""
