"""Updates, end to end: rules shared by node and host, then each one's own half."""
