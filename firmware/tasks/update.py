"""Updates."""


async def run(node: object) -> None:
    """Wait for the updater."""
