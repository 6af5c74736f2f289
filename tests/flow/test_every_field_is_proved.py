"""Every field of every verb has a test in which an independent far end hears or does the thing (issue 4, Proof).

The far ends are baresips, and WebSocket clients for streams, on a real installation. A field that is added to a verb
fails here until it is named beside such a test; so does a test that is renamed and its entry forgotten.
"""

import ast
from pathlib import Path

import msgspec
import pytest

from sautikitd.flow.verbs.registry import VERBS

TESTS = Path(__file__).parents[1]
ALONE = "system/verbs/test_recording_and_routing.py"

SAYING = (
    "system/verbs/test_saying_and_playing.py",
    "test_a_voice_its_language_its_rate_and_how_often",
)
PLAYING = ("system/verbs/test_saying_and_playing.py", "test_a_sound_file_as_often_as_asked_and_a_tone")
SENDING_DIGITS = ("system/test_calls_over_a_trunk.py", "test_digits_that_we_send_arrive_at_the_far_end")
KEYS = (
    "system/verbs/test_keys.py",
    "test_keys_cut_the_prompt_short_are_handed_to_the_action_and_hidden_where_they_are_secret",
)
DIALLING = "system/verbs/test_dialling_others.py"
TOGETHER = (DIALLING, "test_two_ring_together_and_one_takes_the_call_after_a_whisper_and_is_recorded")
IN_TURN = (DIALLING, "test_in_turn_the_second_rings_when_the_first_has_not_answered_in_time")
DESK_PHONE = (DIALLING, "test_a_desk_phone_is_rung_by_its_name_or_its_address")
TWO_PHONES = ("system/test_dial.py", "test_two_phones_hear_each_other_and_either_may_hang_up")
ATTENDED = (DIALLING, "test_an_attended_transfer_waits_with_music_for_a_target_who_presses_one")
RECORDING = (ALONE, "test_a_recording_ends_by_silence_which_is_cut_off_and_the_next_by_a_key")
RECORDING_LENGTH = (
    "system/test_calls_over_a_trunk.py",
    "test_a_recording_of_ours_contains_what_the_far_end_played",
)
TOLD = "node/test_recording_status.py"
MESSAGE_TOLD = (TOLD, "test_a_recorded_message_is_told_of_when_it_can_be_fetched")
CONFERENCE_TOLD = (TOLD, "test_a_recorded_conference_is_told_of_by_its_own_name")
CONVERSATION_TOLD = (TOLD, "test_a_recorded_conversation_is_told_of_too")
TRANSCRIBING = (
    "system/test_recordings_and_speech.py",
    "test_an_uploaded_prompt_is_heard_and_the_answer_is_written_down",
)
REDIRECTING = (
    ALONE,
    "test_a_caller_hears_it_ring_is_answered_and_goes_on_where_the_flow_is_redirected",
)
REJECTING = (ALONE, "test_a_caller_is_rejected_with_the_reason_and_pays_nothing")
ROOMS = "system/verbs/test_rooms_and_queues.py"
THREE_CONFER = ("system/test_rooms_of_phones.py", "test_three_phones_confer_and_the_record_has_all_of_them")
HOSTED = (ROOMS, "test_a_conference_that_waits_for_its_host_and_ends_with_him")
TWILIO_STATUS = (
    "node/rooms/test_twilio_status.py",
    "test_twilios_library_accepts_what_a_conference_in_twiml_tells",
)
AFTER_A_CONFERENCE = (
    "node/rooms/test_twilio_status.py",
    "test_who_was_taken_out_of_a_conference_in_twiml_goes_on_where_the_dials_action_leads",
)
COACHED = (ROOMS, "test_a_coach_is_heard_by_his_agent_alone")
QUEUE = (ROOMS, "test_a_queue_plays_what_it_was_given_takes_so_many_and_keeps_them_so_long")
LEAVING = (
    "node/rooms/test_waiting.py",
    "test_a_caller_presses_a_key_while_he_waits_and_leaves_the_queue_for_what_comes_after_it",
)
HEARD_BY_GET = (
    "node/rooms/test_waiting.py",
    "test_a_wait_url_is_asked_by_its_method_and_may_lead_to_another",
)
AGENT = (ROOMS, "test_an_agent_hears_what_he_was_given_until_nobody_has_come_in_time")
STREAMS = "system/verbs/test_streaming_audio.py"
TWILIO_STREAM = (
    STREAMS,
    "test_a_named_stream_in_twilios_protocol_carries_what_it_was_given_and_tells_of_itself",
)
BESIDE = (STREAMS, "test_a_stream_beside_the_flow_hears_both_sides_until_it_is_stopped_by_its_name")
STREAM_RATES = ("system/test_streams.py", "test_a_phone_and_a_server_hear_each_other_and_the_flow_goes_on")

PROOFS: dict[str, dict[str, tuple[str, str]]] = {
    "say": dict.fromkeys(("text", "voice", "language", "loop", "rate"), SAYING),
    "play": {"url": PLAYING, "loop": PLAYING, "tone": PLAYING, "digits": SENDING_DIGITS},
    "pause": {"length": SAYING},
    "getDigits": dict.fromkeys(
        ("numDigits", "timeout", "finishOnKey", "nested", "action", "method", "retries", "sensitive"), KEYS
    ),
    "dial": {
        "number": TWO_PHONES,
        "numbers": TOGETHER,
        "sip": DESK_PHONE,
        "client": DESK_PHONE,
        "callerId": TOGETHER,
        "timeout": IN_TURN,
        "sequential": IN_TURN,
        **dict.fromkeys(("answerOnBridge", "record", "action", "method", "maxDuration"), TOGETHER),
        **dict.fromkeys(("ringTone", "whisper"), TOGETHER),
        "recordingStatusCallback": CONVERSATION_TOLD,
    },
    "record": {
        **dict.fromkeys(("action", "method", "timeout", "finishOnKey", "beep", "trimSilence"), RECORDING),
        "maxLength": RECORDING_LENGTH,
        "recordingStatusCallback": MESSAGE_TOLD,
        **dict.fromkeys(("transcribe", "transcribeCallback", "transcribeLanguage"), TRANSCRIBING),
    },
    "redirect": dict.fromkeys(("url", "method"), REDIRECTING),
    "answer": {"": REDIRECTING},
    "ring": {"length": REDIRECTING},
    "hangup": {"": REDIRECTING},
    "reject": {"reason": REJECTING},
    "stream": {
        **dict.fromkeys(("url", "outputSamplingRate", "bidirectionalSamplingRate"), STREAM_RATES),
        **dict.fromkeys(("track", "connect"), BESIDE),
        **dict.fromkeys(("protocol", "name", "headerMetadata", "openMetadata"), TWILIO_STREAM),
        **dict.fromkeys(("statusCallback", "statusEvents", "action", "method"), TWILIO_STREAM),
    },
    "stopStream": {"name": BESIDE},
    "conference": {
        **dict.fromkeys(("name", "record", "statusEvents", "statusEventsCallbackUrl"), THREE_CONFER),
        **dict.fromkeys(("maxParticipants", "beep", "muted", "startOnEnter", "endOnExit", "waitUrl"), HOSTED),
        **dict.fromkeys(("collectDigits", "numDigits", "finishOnKey", "digitsCallbackUrl"), HOSTED),
        "coach": COACHED,
        "waitMethod": HEARD_BY_GET,
        "recordingStatusCallback": CONFERENCE_TOLD,
        "statusEventsFormat": TWILIO_STATUS,
        **dict.fromkeys(("action", "method"), AFTER_A_CONFERENCE),
    },
    "enqueue": {
        **dict.fromkeys(("name", "waitUrl", "action", "method", "maxSize", "maxWait"), QUEUE),
        "waitMethod": LEAVING,
    },
    "dequeue": {
        **dict.fromkeys(("name", "waitUrl", "action", "method", "maxWait"), AGENT),
        "waitMethod": HEARD_BY_GET,
    },
    "leave": {"": LEAVING},
    "transfer": dict.fromkeys(
        ("to", "mode", "callerId", "timeout", "holdUrl", "whisper", "action", "method"), ATTENDED
    ),
}
"""Verb, field (as in JSON) → file and name of its test. A verb without fields has one for itself, under no name."""


@pytest.mark.parametrize("verb", VERBS)
def test_every_field_of_a_verb_is_proved(verb: str) -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(VERBS[verb])}
    assert PROOFS[verb].keys() - {""} == fields
    assert fields or "" in PROOFS[verb]


def test_no_verb_is_proved_that_there_is_not() -> None:
    assert PROOFS.keys() == VERBS.keys()


@pytest.mark.parametrize("file", sorted({file for proofs in PROOFS.values() for file, _ in proofs.values()}))
def test_every_proof_is_there(file: str) -> None:
    tree = ast.parse((TESTS / file).read_text())
    there = {node.name for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)}
    named = {test for proofs in PROOFS.values() for name, test in proofs.values() if name == file}
    assert named <= there
