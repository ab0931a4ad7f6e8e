"""challenger -> verdict on the reserve: metrics, exact bounds, ledger, gate."""
