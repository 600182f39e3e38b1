#!/usr/bin/env python3
"""Runs clang-tidy on every source of a compilation database, the longest first, and remembers which
were clean: a source is looked at again when anything has changed that clang-tidy can see. That is its
own version and configuration, the compile command, and the bytes of the source and of every header
that it includes, comments too. What had findings is not remembered.

Usage: check.py COMPILE_COMMANDS CACHE_DIRECTORY JOBS
A source that is compiled more than once is looked at as it is compiled first."""

import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

TREE = str(pathlib.Path(__file__).resolve().parents[2])
KEPT_DAYS = 30


def run(command, directory="."):
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, errors="replace")


def must(command, directory="."):
    result = run(command, directory)
    if result.returncode != 0:
        sys.exit(f"{shlex.join(command)}:\n{result.stdout}{result.stderr}")
    return result.stdout


@functools.cache
def version():
    return must(["clang-tidy", "--version"])


@functools.cache
def configuration(directory):
    return must(["clang-tidy", "--dump-config", os.path.join(directory, "x.cpp")])


@functools.cache
def file_hash(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def included(entry):
    """The source and all that it includes."""
    command = shlex.split(entry["command"])
    at = command.index("-o")
    rule = must(command[:at] + command[at + 2:] + ["-M", "-MT", "x"], entry["directory"])
    names = shlex.split(rule.replace("\\\n", " "))[1:]
    return [os.path.normpath(os.path.join(entry["directory"], name)) for name in names]


def key_and_size(entry):
    paths = included(entry)
    facts = [version(), configuration(os.path.dirname(entry["file"])), entry["command"]]
    facts += [f"{path} {file_hash(path)}" for path in paths]
    # Another checkout of the same is the same.
    text = "\n".join(facts).replace(TREE, ".")
    return hashlib.sha256(text.encode()).hexdigest(), sum(os.path.getsize(path) for path in paths)


def main():
    database, cache, jobs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    entries = {entry["file"]: entry for entry in reversed(json.loads(database.read_text()))}
    if not entries:
        sys.exit(f"{database} names no source")
    cache.mkdir(parents=True, exist_ok=True)
    for old in cache.iterdir():
        if old.stat().st_mtime < time.time() - KEPT_DAYS * 86400:
            old.unlink(missing_ok=True)

    def check(item):
        source, key = item
        result = run(["clang-tidy", f"-p={database.parent}", "-quiet", source])
        if result.returncode == 0:
            (cache / key).touch()
        return source, result

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        keys = dict(zip(entries, pool.map(key_and_size, entries.values())))
        known = [source for source, (key, _) in keys.items() if (cache / key).exists()]
        for source in known:
            (cache / keys[source][0]).touch()
        by_size = sorted(keys.items(), key=lambda item: item[1][1], reverse=True)
        left = [(source, key) for source, (key, _) in by_size if source not in set(known)]
        for source, result in pool.map(check, left):
            print(source, "" if result.returncode == 0 else "FAILED", flush=True)
            if result.returncode != 0:
                failed += 1
                print(result.stdout, result.stderr, sep="", flush=True)
    print(f"{len(entries)} sources: {len(known)} known to be clean, {len(left)} checked, {failed} failed")
    sys.exit(failed != 0)


main()
