"""Tables that share cells, and the one population behind them."""
