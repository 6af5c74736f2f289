"""What the webhooks room refuses."""

from sautikitd.errors import Refusal


class WebhookNotFound(Refusal):
    code = "webhooks.not_found"
    status = 404
    message = "There is no such webhook in this workspace and mode. `GET /v1/webhooks` lists them."


class DeliveryNotFound(Refusal):
    code = "webhooks.delivery_not_found"
    status = 404
    message = "This webhook has no such delivery. Deliveries are listed at `GET …/deliveries` of the webhook."


class EventNotFound(Refusal):
    code = "events.not_found"
    status = 404
    message = "There is no such event in this workspace and mode. `GET /v1/events` lists them."


class EventUnsupported(Refusal):
    code = "webhooks.event_unsupported"
    status = 422
    message = 'Some of these event names do not exist; `fields` says which. Use `["*"]` for all events.'


class TooManyWebhooks(Refusal):
    code = "webhooks.too_many"
    status = 409
    message = "A workspace has at most {most} webhooks in each mode. Delete one that is no longer used."


class WebhookDisabled(Refusal):
    code = "webhooks.disabled"
    status = 409
    message = "This webhook is disabled. Enable it with a PATCH of `enabled` to true, then try again."
