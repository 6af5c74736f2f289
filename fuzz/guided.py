"""Fuzzes one reader, or all of them, guided by coverage (atheris, libFuzzer).

    make fuzz SECONDS_EACH=60           every reader for a minute, two at a time
    python fuzz/guided.py sdp 600   one reader for ten minutes

A crash, an assertion, more than two seconds or 512 MB for one input end it with the input that did it, in `fuzz/found/`.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOUND = Path(__file__).parent / "found"
_AT_ONCE = 2
_LEAST_TIME = 5


def guided(name: str, seconds: int) -> None:
    """In this process, which does not return: libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["sautikitd", "readers"]):
        import readers

    reader = readers.READERS[name]
    FOUND.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(reader.seeds):
            (Path(corpus) / f"seed{number}").write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={reader.longest}",
            "-timeout=2",
            "-rss_limit_mb=512",
            "-verbosity=0",
            "-print_final_stats=1",
            f"-artifact_prefix={FOUND}/{name}-",
        ]
        atheris.Setup([sys.argv[0], *options, corpus], reader.read)
        atheris.Fuzz()


def all_of_them(seconds: int) -> int:
    """Each in a process of its own; the number of readers that failed."""
    import readers

    def run(name: str) -> bool:
        words = [sys.executable, __file__, name, str(seconds)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 120, check=False)
        executed = [line for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        count = int(executed[0].split()[-1]) if executed else 0
        well = done.returncode == 0 and count > 0
        print(f"{'ok    ' if well else 'FAILED'} {name:16} {count:>10,} inputs in {seconds} s", flush=True)
        if not well:
            print(done.stderr[-4000:], flush=True)
        return well

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return sum(not well for well in pool.map(run, readers.READERS))


def main() -> None:
    match sys.argv[1:]:
        case [name, seconds]:
            guided(name, int(seconds))
        case [seconds]:
            sys.exit(1 if all_of_them(max(_LEAST_TIME, int(seconds))) else 0)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
