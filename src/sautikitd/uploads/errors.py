"""What the addresses of uploads refuse."""

from sautikitd.errors import Refusal


class UploadNotFound(Refusal):
    code = "uploads.not_found"
    status = 404
    message = "There is no such uploaded file in this workspace and mode, or it was deleted."


class UploadUnreadable(Refusal):
    code = "uploads.unreadable"
    status = 422
    message = "This cannot be played: {reason}. Send a WAV, MP3 or OGG file of at most 30 minutes."


class UploadFormInvalid(Refusal):
    code = "uploads.form_invalid"
    status = 400
    message = "The form cannot be read: {reason}. Send the file as the part `file`, or as the body itself."


class UploadMediaTypeUnsupported(Refusal):
    code = "uploads.unsupported_media_type"
    status = 415
    message = (
        "Send the file as multipart/form-data, as the part `file`, or as the body itself with an audio type."
    )


class TooManyUploads(Refusal):
    code = "uploads.too_many"
    status = 409
    message = "This workspace keeps {most} uploaded files in this mode already. Delete some that are not played any more."
