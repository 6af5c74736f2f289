"""How a process reaches the database as the application: the role that cannot change what is append-only."""

from urllib.parse import quote, urlsplit, urlunsplit

from sautikitd.database.embedded import EmbeddedPostgres
from sautikitd.settings import Settings

APPLICATION_ROLE = "sautikit_app"


def application_database_url(settings: Settings) -> str:
    """The URL for everything but migrations: of the configured database, else of the one in the data folder."""
    if settings.database_url is None:
        return EmbeddedPostgres(settings.database_folder).url(APPLICATION_ROLE)
    return application_url(settings.database_url)


def application_url(url: str) -> str:
    """`url` with the application's role taken on at connect. asyncpg and libpq both understand `options`."""
    parts = urlsplit(url)
    option = f"options={quote(f'-crole={APPLICATION_ROLE}')}"
    if parts.username == APPLICATION_ROLE or option in parts.query:
        return url
    return urlunsplit(parts._replace(query=f"{parts.query}&{option}" if parts.query else option))
