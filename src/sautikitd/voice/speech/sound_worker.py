"""The process that reads sound files: what customers upload is decoded here, under limits, and nowhere else."""

import io
import resource
import sys
from collections.abc import Iterator

import av
import msgspec

from sautikitd.voice.speech.jobs import Answer, Decode, EncodeMp3, Failed, Resample, Sound, SoundJob
from sautikitd.voice.speech.sound_format import Unreadable, sound_format
from sautikitd.voice.speech.worker import serve

_RATE = 8000
_LONGEST_BYTES = 30 * 60 * _RATE * 2
_MEMORY = 2 * 1024 * 1024 * 1024
_LARGEST_FILE = 256 * 1024 * 1024


def decode(data: bytes) -> bytes:
    """Mono 8 kHz samples of a whole file. Raises `Unreadable`."""
    with av.open(io.BytesIO(data), "r", format=sound_format(data)) as container:
        if not container.streams.audio:
            raise Unreadable("the file holds no sound")
        made = resample(container.decode(container.streams.audio[0]))
    if not made:
        raise Unreadable("the file holds no sound")
    return made


def resample(frames: Iterator[av.AudioFrame]) -> bytes:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    made = bytearray()
    for frame in frames:
        for piece in resampler.resample(frame):
            made += piece.to_ndarray().tobytes()
        if len(made) > _LONGEST_BYTES:
            raise Unreadable("the sound is longer than 30 minutes")
    for piece in resampler.resample(None):
        made += piece.to_ndarray().tobytes()
    return bytes(made)


def frames_of(samples: bytes, rate: int) -> Iterator[av.AudioFrame]:
    """Mono 16-bit samples as frames of a fifth of a second."""
    size, position = rate // 5, 0
    while position * 2 < len(samples):
        piece = samples[position * 2 : (position + size) * 2]
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(piece) // 2)
        frame.planes[0].update(piece.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.rate, frame.pts = rate, position
        position += size
        yield frame


def encode_mp3(source: str, target: str) -> None:
    with av.open(source, "r", format="wav") as wav, av.open(target, "w", format="mp3") as mp3:
        stream = mp3.add_stream("libmp3lame", rate=_RATE)
        stream.bit_rate = 32_000
        stream.layout = "stereo" if wav.streams.audio[0].channels == 2 else "mono"
        for frame in wav.decode(audio=0):
            frame.pts = None
            mp3.mux(stream.encode(frame))
        mp3.mux(stream.encode(None))


def answer(job: SoundJob) -> Answer:
    try:
        match job:
            case Decode():
                return Sound(samples=decode(job.data), rate=_RATE)
            case Resample():
                return Sound(samples=resample(frames_of(job.samples, job.rate)), rate=_RATE)
            case EncodeMp3():
                encode_mp3(job.source, job.target)
                return Sound(samples=b"", rate=_RATE)
    except Unreadable as reason:
        return Failed(message=str(reason))
    except (av.FFmpegError, ValueError, MemoryError) as error:
        return Failed(message=f"the sound could not be read: {type(error).__name__}: {error}")


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    av.logging.set_level(av.logging.PANIC)
    decoder: msgspec.msgpack.Decoder[SoundJob] = msgspec.msgpack.Decoder(SoundJob)
    serve(
        lambda job: msgspec.msgpack.encode(answer(decoder.decode(job))), sys.stdin.buffer, sys.stdout.buffer
    )


if __name__ == "__main__":
    main()
