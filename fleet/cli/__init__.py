"""The `lamppost` subcommands of the server and of its operators."""
