# SPDX-License-Identifier: Apache-2.0
"""What must hold of all that a run has committed to Kafka, recomputed from the records themselves, from the generator's
truth and from a replay of the same alerts."""
import base64
import collections
import contextlib
import json
import signal
import subprocess
import time

import kafka_log
from harness import DEADLINE, say

HEARTBEAT = b'"rule":"Falco internal: metrics snapshot"'


def newest(reports):
    last = {}
    for report in reports:
        if report["revision"] >= last.get(report["id"], report)["revision"]:
            last[report["id"]] = report
    return last


def wait_for_reports(place):
    """All committed reports, once the newest revision of each says closed."""
    limit = time.monotonic() + DEADLINE
    while True:
        reports = [json.loads(line) for line in place.consume(place.reports, "%s")]
        still_open = [report["id"] for report in newest(reports).values() if report["state"] != "closed"]
        if not still_open:
            say(f"{len(reports):,} revisions read, every report is closed")
            return reports
        if time.monotonic() > limit:
            raise RuntimeError(f"{len(still_open)} reports never closed, such as {still_open[:3]}")
        time.sleep(1)


def copies_of_heartbeats(place):
    """Their copies are counted as duplicates, but stand in no report: healthy heartbeats have none."""
    seen, copies = set(), 0
    with place.alerts.open("rb") as alerts:
        for line in alerts:
            if HEARTBEAT not in line:
                continue
            with contextlib.suppress(ValueError):
                alert = json.loads(line)
                key = alert["hostname"], alert["time"]
                copies += key in seen
                seen.add(key)
    return copies


def check_counts(place, reports, problems):
    truth = json.loads(place.truth.read_text())
    counted = [report for report in newest(reports).values() if report["kind"] in ("finding", "sensor_health")]
    alerts = sum(report["counts"]["alerts"] for report in counted)
    duplicates = sum(report["counts"]["duplicates"] for report in counted) + copies_of_heartbeats(place)
    dead = len(place.consume(place.dead, "%p %o"))
    problems.expect_equal("records in the input topic", len(place.consume(place.input, "%p %o")), truth["records"])
    problems.expect_equal("dead letters", dead, truth["garbage"])
    problems.expect_equal("duplicates", duplicates, truth["duplicates"])
    problems.expect_equal("alerts in reports, heartbeats, duplicates and dead letters",
                          alerts + truth["heartbeats"] + duplicates + dead, truth["records"])


def is_checkpoint(partition, key):
    return partition if key == kafka_log.CHECKPOINT_KEY else None


STAGES = (   # stage, its input topic and changelog, the partition that a changelog's record is the checkpoint of
    ("intake", "{0.input}", "{0.name}.intake.changelog", lambda partition, key: int(key)),
    ("by_container", "{0.name}.by-container", "{0.name}.by-container.changelog", is_checkpoint),
    ("by_rule", "{0.name}.by-rule", "{0.name}.by-rule.changelog", is_checkpoint),
)


def check_checkpoints(place, said, replays_allowed, problems):
    """An input partition's offset stands in three places: the checkpoint in the changelog, the group's committed offset,
    and /status before the end. The counters of the checkpoints add up over all stages."""
    counters = {}
    for stage, topic, changelog, partition_of in STAGES:
        partitions = place.input_partitions if stage == "intake" else place.inner_partitions
        committed = kafka_log.committed_offsets(place.brokers, f"{place.name}.{stage}", topic.format(place), partitions)
        checkpoints = kafka_log.checkpoints(place.brokers, changelog.format(place), partition_of)
        offsets = {partition: checkpoint.next_offset for partition, checkpoint in checkpoints.items()}
        problems.expect(len(committed) == partitions and offsets == committed,
                        f"{stage}: checkpoint = committed offset in each of {partitions} partitions" +
                        ("" if offsets == committed else f"; checkpoints {offsets}, committed {committed}"))
        backward = {partition: (said[stage].get(partition), offset) for partition, offset in committed.items()
                    if not 0 < said[stage].get(partition, 0) <= offset}
        problems.expect(not backward, f"{stage}: /status said the offsets" + (f", but {backward}" if backward else ""))
        counters[stage] = sum((checkpoint.counters for checkpoint in checkpoints.values()), collections.Counter())
        if not replays_allowed:
            problems.expect_equal(f"{stage}: replays dropped", counters[stage]["replays_dropped"], 0)
    intake, container = counters["intake"], counters["by_container"]
    problems.expect_equal("intake: sent + dead", intake["sent"] + intake["dead"], intake["in"])
    problems.expect_equal("by_container: folded + duplicate", container["folded"] + container["duplicate"], intake["sent"])
    return intake


def check_revisions(reports, problems):
    revisions = collections.defaultdict(list)
    for report in reports:
        revisions[report["id"]].append(report["revision"])
    wrong = {key: seen for key, seen in revisions.items() if sorted(seen) != list(range(1, len(seen) + 1))}
    problems.expect(not wrong, f"revisions of {len(revisions):,} reports are 1 to n, once each" +
                    (f"; not of {len(wrong)}, such as {list(wrong.items())[0]}" if wrong else ""))


def comparable(report):
    """What two runs over the same alerts agree on."""
    lines = [line for line in report["markdown"].splitlines() if "revision" not in line.lower()]
    left_out = ("revision", "reason", "produced_by")
    return {**{key: value for key, value in report.items() if key not in left_out}, "markdown": lines}


def difference(key, ours, theirs):
    if ours is None or theirs is None:
        return f"{key}: only in the {'replay' if ours is None else 'run'}"
    for field in sorted(set(ours) | set(theirs)):
        left, right = ours.get(field), theirs.get(field)
        if left == right:
            continue
        if field == "markdown":
            left = [line for line in ours["markdown"] if line not in theirs["markdown"]]
            right = [line for line in theirs["markdown"] if line not in ours["markdown"]]
        return f"{key} ({ours.get('kind')}): {field}: {json.dumps(left)[:400]} in the run, {json.dumps(right)[:400]} in the replay"
    return ""


def check_replay(place, config, reports, problems):
    output, stats_file, dead_file = (place.directory / name for name in ("replayed.ndjson", "stats.json", "dead.ndjson"))
    with output.open("wb") as out:
        place.run("replay", "-c", config, "--stats", stats_file, "--dead-letters", dead_file, place.alerts, stdout=out)
    stats, truth = json.loads(stats_file.read_text()), json.loads(place.truth.read_text())
    for ours, theirs in (("in", "records"), ("duplicate", "duplicates"), ("dead", "garbage"), ("heartbeats", "heartbeats")):
        problems.expect_equal(f"replay --stats, {ours}", stats[ours], truth[theirs])
    problems.expect_equal("replay --stats, folded + duplicate + dead",
                          stats["folded"] + stats["duplicate"] + stats["dead"], stats["in"])
    with output.open(encoding="utf-8") as lines:
        theirs = {key: comparable(report) for key, report in newest(map(json.loads, lines)).items()}
    ours = {key: comparable(report) for key, report in newest(reports).items()}
    wrong = [key for key in sorted(set(ours) | set(theirs)) if ours.get(key) != theirs.get(key)]
    problems.expect(not wrong, f"{len(ours):,} reports equal those of a replay" + (f", but for {len(wrong)}" if wrong else ""))
    for key in wrong[:5]:
        say("        " + difference(key, ours.get(key), theirs.get(key)))
    check_dead_letters(place, dead_file, problems)


def check_dead_letters(place, dead_file, problems):
    """Byte for byte, and each once."""
    with dead_file.open(encoding="utf-8") as lines:
        letters = [json.loads(line) for line in lines]
    theirs = collections.Counter(letter["value"].encode() if "value" in letter else base64.b64decode(letter["value_base64"])
                                 for letter in letters)
    ours = collections.Counter(value for _, _, value in kafka_log.read(place.brokers, place.dead))
    problems.expect(ours == theirs, f"{sum(ours.values()):,} dead letters are those of the replay" +
                    ("" if ours == theirs else f", but {(ours - theirs).total()} are not and {(theirs - ours).total()} lack"))


def check_states(place, instances, when, problems):
    for instance in instances:
        verified = subprocess.run([place.gyre, "state", instance.state, "--verify", "-c", instance.config],
                                  capture_output=True, timeout=DEADLINE)
        text = (verified.stdout + verified.stderr).decode(errors="replace")
        problems.expect(verified.returncode == 0 and "verified" in text,
                        f"the state of {instance.name} is what its changelogs say, {when}" +
                        ("" if verified.returncode == 0 else ": " + text[-2000:]))


def check_run(place, instances, problems, replays_allowed=False):
    """Of instances that run and have read everything; they are ended on the way."""
    reports = wait_for_reports(place)
    said = {stage: {partition: offset for instance in instances
                    for partition, offset in instance.next_offsets(stage).items()} for stage, *_ in STAGES}
    check_states(place, instances, "while it runs", problems)
    for instance in instances:
        problems.expect(instance.end(signal.SIGTERM) == 0, f"instance {instance.name} left with 0 when asked to")
    check_states(place, instances, "when it has ended", problems)
    counted = check_checkpoints(place, said, replays_allowed, problems)
    check_revisions(reports, problems)
    check_counts(place, reports, problems)
    return reports, counted
