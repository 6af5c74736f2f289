"""Money: wallets, holds, the double-entry ledger, prices. Accounts and causes, nothing of calls; start at `service.py`."""
