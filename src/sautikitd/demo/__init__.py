"""`make run`: a first call, placed over HTTP and shown as it happens, with a callback server and webhook receiver of its own."""
