"""Many visitors of `barcodemae serve` at once: how long they wait, and whether all are answered.

    barcodemae serve --library LIB &
    python -m benchmarks.serve_load --barcodes queries.fasta

Each visitor asks the page's API by HTTP, waits for the answer and asks again, until the time is up.
"""

import argparse
import json
import random
import statistics
import threading
import time
from pathlib import Path

import requests

PATIENCE = 300  # seconds for one answer


def ask(address: str, text: str) -> int:
    """Send barcodes, wait; the number of answers. Raises RuntimeError where none come."""
    body = {"data": [text, ""]}
    asked = requests.post(f"{address}/gradio_api/call/identify", json=body, timeout=PATIENCE)
    asked.raise_for_status()
    event = asked.json()["event_id"]
    url = f"{address}/gradio_api/call/identify/{event}"
    with requests.get(url, stream=True, timeout=PATIENCE) as told:
        kind = ""
        for line in told.iter_lines(decode_unicode=True):
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: ") and kind == "complete":
                return len(json.loads(line[6:])[0]["answers"])
            elif kind == "error":
                raise RuntimeError(line)
    raise RuntimeError("the connection ended without an answer")


def visit(address: str, records: list[str], size: int, until: float, seed: int, found: list):
    """One visitor: ask for `size` random records again and again until the time is up."""
    rng = random.Random(seed)
    while time.monotonic() < until:
        start = time.monotonic()
        try:
            count = ask(address, "".join(rng.sample(records, size)))
            fault = "" if count == size else f"{count} answers to {size} barcodes"
        except (requests.RequestException, RuntimeError) as error:
            fault = str(error) or type(error).__name__
        found.append((time.monotonic() - start, fault))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="http://127.0.0.1:7860")
    parser.add_argument("--barcodes", type=Path, required=True, help="FASTA")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--size", type=int, default=10, help="barcodes in a request")
    given = parser.parse_args()
    records = [f">{record}" for record in given.barcodes.read_text().split(">")[1:]]
    found: list[tuple[float, str]] = []
    begun = time.monotonic()
    visitors = [
        threading.Thread(
            target=visit,
            args=(given.address, records, given.size, begun + given.seconds, seed, found),
        )
        for seed in range(given.users)
    ]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    took = time.monotonic() - begun
    seconds = sorted(each for each, fault in found if not fault)
    faults = [fault for _, fault in found if fault]
    print(f"{given.users} visitors, {given.size} barcodes a request, {took:.0f} s:")
    print(f"{len(seconds)} answered ({given.size * len(seconds) / took:.1f} barcodes/s)")
    if seconds:
        last = seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]
        print(
            f"seconds to an answer: median {statistics.median(seconds):.1f}, 95 % below {last:.1f}"
        )
    print(f"{len(faults)} faults{': ' + faults[0] if faults else ''}")


if __name__ == "__main__":
    main()
