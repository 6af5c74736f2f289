"""What the devices room refuses."""

from sautikitd.errors import Refusal, ToldBy


class CredentialNotFound(Refusal):
    code = "sip_credentials.not_found"
    status = 404
    message = "The number has no such SIP credential. GET /v1/numbers/{number_id}/sip-credentials lists those it has."


class TooManyCredentials(Refusal):
    code = "sip_credentials.too_many"
    status = 409
    message = "The number has {limit} SIP credentials already, the most it may have. Delete one that is not used any more."


class ClientNotRegistered(Refusal):
    told_by = ToldBy.CALL
    code = "calls.client_not_registered"
    status = 404
    message = "No device is registered as {name}, so nothing could ring."


class SipHostForbidden(Refusal):
    told_by = ToldBy.CALL
    code = "calls.sip_host_forbidden"
    status = 403
    message = "SIP addresses at {host} may not be dialled. Dial a device of your own, or ask support to have the host allowed."


class SipHostUnreachable(Refusal):
    told_by = ToldBy.CALL
    code = "calls.sip_host_unreachable"
    status = 403
    message = "{host} has no address that may be called: its name does not resolve, or to a private address."
