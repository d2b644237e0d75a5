"""What nodes say of themselves every hour: last values, and the events that only these tell."""
