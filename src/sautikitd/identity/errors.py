"""Refusals of workspaces, signing secrets and the audit log."""

from sautikitd.errors import Refusal, ToldBy


class WorkspaceNotFound(Refusal):
    told_by = ToldBy.OPERATOR
    code = "accounts.workspace_not_found"
    status = 404
    message = "There is no workspace with this id."


class OwnerRequired(Refusal):
    code = "accounts.owner_required"
    status = 403
    message = "Only owners may read this. Use a key made by an owner of the workspace."


class SigningSecretHidden(Refusal):
    code = "signing_secret.test_mode_only"
    status = 403
    message = (
        "The live signing secret is not shown to API keys: a leaked key must not be able to forge our webhooks. "
        "An owner finds it in the console; with a test key this address shows the test one."
    )
