# SPDX-License-Identifier: Apache-2.0
"""Plants bugs in a copy of the sources, one at a time, and looks whether the tests notice: tests that find nothing wrong
with a wrong program prove nothing about a right one. A bug is its name and the edits that make it: file, text, replacement."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "planted"


def plant(edits, source, target):
    """Writes the edited files below `target`. Raises ValueError if a place is not there once."""
    texts = {}
    for path, old, new in edits:
        text = texts.get(path) or (source / path).read_text()
        if text.count(old) != 1:
            raise ValueError(f"{path} has {text.count(old)} times, not once: {old.strip()}")
        texts[path] = text.replace(old, new)
    if target:
        for path, text in texts.items():
            (target / path).write_text(text)


def check(bugs):
    stale = 0
    for name, *edits in bugs:
        try:
            plant(edits, ROOT, None)
        except ValueError as error:
            print(f"cannot be planted any more: {name}: {error}")
            stale += 1
    print(f"{len(bugs) - stale} of {len(bugs)} bugs can be planted")
    return stale > 0


def copy_sources():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for path in tracked.split("\0"):
        if path and (ROOT / path).is_file():
            target = COPY / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists() or target.read_bytes() != (ROOT / path).read_bytes():
                target.write_bytes((ROOT / path).read_bytes())
                target.chmod((ROOT / path).stat().st_mode)


def main(bugs, targets, find, usage):
    """`find` runs the built `targets` below COPY: None if nothing is wrong, else by what it was found and as what."""
    if sys.argv[1:] == ["--check"]:
        return check(bugs)
    if sys.argv[1:]:
        print(usage, file=sys.stderr)
        return 64

    def build():
        """None if it compiles, else what the compiler says."""
        done = subprocess.run(["ninja", "-C", "build/release", *targets], cwd=COPY, capture_output=True, text=True)
        return done.stdout[-4000:] if done.returncode else None

    copy_sources()
    subprocess.run(["cmake", "--preset", "release"], cwd=COPY, check=True, stdout=subprocess.DEVNULL)
    if wrong := build() or find():
        sys.exit(f"something is wrong as it is: {wrong}")
    missed = 0
    print("| bug | found by | as |\n| --- | --- | --- |", flush=True)
    for name, *edits in bugs:
        before = {path: (COPY / path).read_bytes() for path, _, _ in edits}
        plant(edits, COPY, COPY)
        if refused := build():
            print(refused, file=sys.stderr, flush=True)
        found = None if refused else find()
        missed += found is None
        by, wrong = found or ("it does not compile" if refused else "nothing", "")
        print(f"| {name} | {by} | {wrong} |", flush=True)
        for path, bytes_before in before.items():
            (COPY / path).write_bytes(bytes_before)
    return missed > 0
