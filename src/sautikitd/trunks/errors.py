"""Refusals of trunks."""

from sautikitd.errors import Refusal, ToldBy


class TrunkNotFound(Refusal):
    told_by = ToldBy.OPERATOR
    code = "trunks.not_found"
    status = 404
    message = "There is no trunk named {name}. `sautikitd trunk list` shows those there are."


class TrunkNameTaken(Refusal):
    told_by = ToldBy.OPERATOR
    code = "trunks.name_taken"
    status = 409
    message = "There is a trunk named {name} already. Remove that one first, or choose another name."


class TrunkInUse(Refusal):
    told_by = ToldBy.OPERATOR
    code = "trunks.in_use"
    status = 409
    message = "{calls} live calls run over {name}. Wait for their end, or hang them up."
