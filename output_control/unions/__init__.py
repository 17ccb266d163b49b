"""What hidden cells add up to: the sums that a pattern gives away, judged and protected as cells of their own."""
