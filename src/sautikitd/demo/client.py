"""The API as the demonstration uses it: plain HTTP with its key, as any customer would."""

from types import TracebackType
from typing import Any

import aiohttp


class ApiRefused(Exception):
    """The API answered with an error; its code and message follow."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.code = code


class Api:
    def __init__(self, base_url: str, key: str) -> None:
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Api":
        self._session = aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=10), trust_env=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def get(self, path: str) -> dict[str, Any]:
        return await self._request("GET", path, None)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Raises `ApiRefused`."""
        return await self._request("POST", path, body)

    async def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._request("PATCH", path, body)

    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        assert self._session is not None
        async with self._session.request(method, self._base_url + path, json=body) as response:
            answer: dict[str, Any] = await response.json()
            if response.status >= 400:
                error = answer["error"]
                raise ApiRefused(response.status, error["code"], error["message"])
            return answer
