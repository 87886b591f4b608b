"""Plays recorded scripts or case rows, several at a time, and prints one JSON line for each as it ends.

    play_all.py histories DATA_FOLDER HOST:PORT JOBS < ids
    play_all.py errors    DATA_FOLDER HOST:PORT JOBS < ids

DATA_FOLDER holds player.py, histories/ and errors.jsonl (its README tells the format). The ids, one a line on standard
input, say which to play. A line is {"id", "equal", "seconds", "diff"}; for errors also {"codes_equal"}: the gRPC code and
the types of the details are equal, though words may differ.
"""

import difflib
import json
import pathlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

DIFF_LINES = 60


def play_history(player, client, folder, script_id):
    script = json.loads((folder / "histories/scripts" / f"{script_id}.json").read_text())
    golden = json.loads((folder / "histories/golden" / f"{script_id}.json").read_text())
    want = json.dumps(golden, indent=1).splitlines(True)
    got = json.dumps(player.Player(client, script).play(), indent=1).splitlines(True)
    diff = list(difflib.unified_diff(want, got, "golden", "got"))
    return {"equal": want == got, "diff": "".join(diff[:DIFF_LINES])}


def play_error(player, client, rows, case_id):
    row = rows[case_id]
    got = player.play_case(client, row)
    keys = ("code", "message", "details", "response", "setup_trouble")
    diff = [f"{k}\n  want {json.dumps(row.get(k))[:600]}\n  got  {json.dumps(got.get(k))[:600]}\n" for k in keys if row.get(k) != got.get(k)]
    types = lambda case: [detail["type"] for detail in case.get("details") or []]
    return {
        "equal": player.same_case(row, got),
        "codes_equal": row["code"] == got["code"] and types(row) == types(got),
        "diff": "".join(diff),
    }


def main():
    mode, folder, address, jobs = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    sys.path.insert(0, str(folder))
    import player

    client = player.Client(address)
    ids = sys.stdin.read().split()
    if mode == "errors":
        rows = {row["id"]: row for row in map(json.loads, (folder / "errors.jsonl").open())}
        player.prepare(client)
        play = lambda case_id: play_error(player, client, rows, case_id)
    else:
        play = lambda script_id: play_history(player, client, folder, script_id)

    def timed(case_id):
        started = time.monotonic()
        try:
            result = play(case_id)
        except Exception as error:  # a broken script must not hide the others
            result = {"equal": False, "codes_equal": False, "diff": f"player failed: {error!r}"}
        return {"id": case_id, "seconds": round(time.monotonic() - started, 3), **result}

    with ThreadPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(timed, case_id) for case_id in ids]):
            print(json.dumps(future.result()), flush=True)


if __name__ == "__main__":
    main()
