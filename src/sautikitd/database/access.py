"""How a process reaches the database as the application: the role that cannot change what is append-only."""

from urllib.parse import quote, urlsplit, urlunsplit

APPLICATION_ROLE = "sautikit_app"


def application_url(owner_url: str) -> str:
    """`owner_url` with the application's role taken on at connect (asyncpg and libpq both understand `options`)."""
    parts = urlsplit(owner_url)
    option = f"options={quote(f'-crole={APPLICATION_ROLE}')}"
    query = f"{parts.query}&{option}" if parts.query else option
    return urlunsplit(parts._replace(query=query))
