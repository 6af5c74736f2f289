"""Who asks the API in these tests, and a webhook made by asking."""

from uuid import uuid4

import httpx

from sautikitd.identity.principal import Principal
from webhooks.workspace import Workspace

NUMBER = uuid4()


class Keys:
    """`key`, `restricted` and `ahead` are of one workspace, the second for one number only, the third with its test clock
    six days ahead; `other` is of another one."""

    def __init__(self, workspace: Workspace, other: Workspace) -> None:
        self._of = {"key": workspace, "other": other, "restricted": workspace, "ahead": workspace}

    async def authenticate(self, credential: str, source_address: str) -> Principal:
        scopes = frozenset({"webhooks.read", "webhooks.write"})
        numbers = frozenset({NUMBER}) if credential == "restricted" else None
        workspace_id = self._of[credential].id
        return Principal(
            id=uuid4(),
            workspace_id=workspace_id,
            mode="test",
            scopes=scopes,
            number_ids=numbers,
            ahead_seconds=6 * 86_400 if credential == "ahead" else 0,
        )


async def make(api: httpx.AsyncClient, **body: object) -> tuple[str, str]:
    answer = await api.post("/v1/webhooks", json={"url": "https://example.com/hook"} | body)
    assert answer.status_code == 201, answer.text
    return answer.json()["webhook"]["id"], answer.json()["secret"]
