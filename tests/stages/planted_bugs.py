#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants bugs of merging, timers, caps and ids in a copy of by_container, one at a time, and runs the model test until it
notices, then the other tests of the stage and of the sightings that it merges.

usage: planted_bugs.py            builds and runs each in build/planted, prints a table; 1 if one is not found
       planted_bugs.py --check    only that each bug can still be planted: its place is found once
"""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import planted  # noqa: E402

CASES = 2000
DIRECTORY = "stages/by_container/"
FINDING, EPISODES = DIRECTORY + "finding.cpp", DIRECTORY + "episodes.cpp"
SECOND, STAGE = DIRECTORY + "second.cpp", DIRECTORY + "stage.cpp"
PLACES, INCIDENT = DIRECTORY + "places.cpp", DIRECTORY + "incident.cpp"
MEMBERS, FLASH = DIRECTORY + "members.cpp", DIRECTORY + "flash.cpp"
DUPLICATES, SIGHTING = DIRECTORY + "duplicates.cpp", "schemas/sighting.cpp"
TRANSACTION, CARD = "state/transaction.cpp", DIRECTORY + "card.cpp"

BUGS = (   # what is wrong, and the edits that make it so: file, text, replacement
    ("merge: the duplicates of merged sightings are those of the last one",
     (SIGHTING, "into.set_duplicates(into.duplicates() + from.duplicates());",
      "into.set_duplicates(from.duplicates());")),
    ("merge: of the samples the first ones to come are kept",
     (SIGHTING, "  for (const records::Sample& sample : from.samples()) add_sample(into, sample);\n",
      "  for (const records::Sample& sample : from.samples())\n"
      "    if (into.samples_size() < 4) add_sample(into, sample);\n")),
    ("merge: what waits for the same second is replaced",
     (STAGE, "  if (const auto pending = state.pending(decision, sighting)) schemas::merge(folded, *pending);",
      "  if (const auto pending = state.pending(decision, sighting);\n      pending && pending->counts().alerts() > 2)\n"
      "    schemas::merge(folded, *pending);")),
    ("merge: a swallowed episode's alerts are not counted",
     (EPISODES, "    fold(right.summary(), right.counts(), left);\n",
      "    fold(right.summary(), records::Counts(), left);\n")),
    ("merge: what copies are of is forgotten when their block is written",
     (DUPLICATES, "    leaf.at.changed = true;\n    if", "    leaf.at.changed = ids.size() > 2 * kIdBytes;\n    if")),
    ("timers: the gap ends one second early",
     (FINDING, "  return second_of(episode.summary().last()) + config.gap + config.lateness + 1;",
      "  return second_of(episode.summary().last()) + config.gap + config.lateness;")),
    ("timers: the longest age forgets the lateness",
     (FINDING, "second_of(episode.summary().first()) + config.max_age + config.lateness + 1",
      "second_of(episode.summary().first()) + config.max_age + 1")),
    ("timers: an alert exactly one gap later opens another episode",
     (EPISODES, "summary.first() <= own.last() + gap &&", "summary.first() < own.last() + gap &&")),
    ("timers: the back-off counts from the opening",
     (FINDING, "context_.now >= episode.published_second() + backoff",
      "context_.now >= episode.opened_second() + backoff")),
    ("timers: one that is armed is never armed earlier",
     (TRANSACTION, "message.armed() != 0 && message.armed() <= message.due()", "message.armed() != 0")),
    ("timers: a closed finding is kept one second less",
     (FINDING, "context_.now >= episode.closed_second() + context_.config.keep_closed",
      "context_.now + 1 >= episode.closed_second() + context_.config.keep_closed")),
    ("timers: an incident's quiet forgets what its members had since",
     (INCIDENT, "    look_for_newer();\n", "")),
    ("seconds: what comes for a decided second is decided with the batch",
     (STAGE, "if (due != now) checkpoint.set_decided(now);", "checkpoint.set_decided(now);")),
    ("seconds: a second is decided before its disorder is over",
     (STAGE, "second_of(stream) - 1 - basis_.config.disorder", "second_of(stream) - basis_.config.disorder")),
    ("seconds: late is what is older than the stream less the disorder",
     (STAGE, "stream - config.lateness * kNanosPerSecond", "stream - config.disorder * kNanosPerSecond")),
    ("caps: places go to whoever comes first",
     (PLACES, "taken.of_rule < own.shapes && taken.of_entity", "taken.of_rule <= own.shapes && taken.of_entity"),
     ),
    ("caps: a finding that is forgotten keeps its place",
     (SECOND, "    free_place(key, of_entity.entity);\n", "")),
    ("caps: what overflows is not counted as such",
     (SECOND, "    counters.set_overflowed(counters.overflowed() + sighting.counts().alerts());\n", "")),
    ("caps: what an overflow finding showed goes with the values that it does not keep",
     (SECOND, "    note_effect(rule, known.entity, sighting);\n", "    (void)rule;\n")),
    ("caps: a finding that an incident does not list is never listed",
     (INCIDENT, "const bool again = evicted && evicted->id() == told.member.id();",
      "forget_member(told.member.id(), members);\n    const bool again = true;")),
    ("time: what is in time joins what is over",
     (EPISODES, "of_closed = late || sighting.counts().alerts() == 0;", "of_closed = true;")),
    ("caps: a copy of what overflowed takes a place",
     (PLACES, "  if (sighting.counts().alerts() == 0) {\n    if (auto", "  if (sighting.arrivals() > 0) {\n    if (auto")),
    ("caps: an incident forgets what it leaves out",
     (INCIDENT, "    schemas::merge(*sum.mutable_counts(), one.counts());\n", "")),
    ("caps: an incident does not count what found no place before it",
     (INCIDENT, "    adopt_left_out();\n", "")),
    ("caps: an incident's quiet knows only what it lists",
     (INCIDENT, "      if (episode.incident_id() == incident().id())\n",
      "      if (find_member(episode.id(), incident().members()) != nullptr)\n")),
    ("slices: a home's timers fire after its neighbour's sightings",
     (TRANSACTION, "    const bool full = another ? items.size() >= enough : items.size() - begin == most;\n",
      "    static_cast<void>(most);\n    const bool full = items.size() >= enough;\n")),
    ("sensor: a host with blind spots is forgotten like any other",
     (INCIDENT, "entity_.touched() + config_.max_age, entity_.blind_until(), remembers_until(entity_)",
      "entity_.touched() + config_.max_age, remembers_until(entity_)")),
    ("copies: they wait no longer than what is late",
     (SECOND, "std::max(copies.second() + config_.lateness, copies.own_second() + 1)",
      "copies.second() + config_.lateness")),
    ("caps: late episodes are not limited",
     (EPISODES, "std::count_if(episodes.begin(), episodes.end(), is_late) >= kLateEpisodes",
      "std::count_if(episodes.begin(), episodes.end(), is_late) >= 100 * kLateEpisodes")),
    ("time: what comes late joins an incident, however old",
     (INCIDENT, "    if (open() && told.member.last() < oldest_in(incident(), config_)) return;\n", "")),
    ("ids: an id is that of the second of its publication",
     (EPISODES, 'hasher.add("finding").add(key).add(second_of(episode.summary().first()) / config.gap);',
      'hasher.add("finding").add(key).add(now / config.gap);')),
    ("ids: an episode born late has the id of one in time",
     (EPISODES, "  if (episode.born_late()) hasher.add((now - config.lateness) / config.gap);\n", "  static_cast<void>(now);\n")),
    ("ids: the predecessor is the newest episode, be it later in time",
     (EPISODES, "if (newest && !series.last_id().empty())", "if (!series.last_id().empty())")),
    ("ids: a forgotten series leaves its last id behind",
     (SECOND, "  if (series.episodes().empty()) {\n    state_.erase_series(key);",
      "  if (series.episodes().empty()) {\n    state_.put(key, series);")),
    ("flash: its finding is not settled",
     (FINDING, "    if (settles_ && is_flashed(episode)) settle(episode);\n", "")),
    ("flash: it waits for no undecided second before it",
     (FLASH, "         (decided + 1) / config.gap == second / config.gap;", "         second > decided;")),
    ("flash: what its seconds decide is written before it is settled",
     (FINDING, "    if (!is_flashed(episode)) write(episode, judgement, reason);\n",
      "    write(episode, judgement, reason);\n")),
    ("revisions: counts of a revision are those of the one before",
     (FINDING, "    episode.set_dirty(false);\n    episode.set_card_changed(false);\n",
      "    episode.set_card_changed(false);\n")),
    ("card: what is learned wakes nobody",
     (CARD, "told ? Learned::kSeen : Learned::kUnseen", "told ? Learned::kNothing : Learned::kUnseen")),
)


def run(program, tests, cases):
    return subprocess.run([planted.COPY / "build/release/tests" / program, f"--gtest_filter={tests}",
                           "--gtest_brief=1"], capture_output=True, text=True, timeout=3000,
                          env=os.environ | {"GYRE_MODEL_CASES": str(cases)})


def find():
    """By which seed of the model, or which other test."""
    model = run("stages_test", "Model.*", CASES)
    said = model.stdout + model.stderr
    if model.returncode != 0:
        seed = re.search(r"GYRE_MODEL_SEED=(\d+)", said)
        wrong = re.search(r"(CHECK[^\n]*|Actual: [^\n]*|\S+:\d+: Failure\n[^\n]*\n[^\n]*)", said)
        as_what = " ".join(wrong.group(1).split())[:110] if wrong else f"ended with {model.returncode}"
        return f"model, seed {seed.group(1) if seed else '?'}", as_what
    for program, tests in ("stages_test", "-Model.*:ByRule*:*Understand*:Intake*"), ("schemas_test", "Sighting*"):
        others = run(program, tests, 0)
        if others.returncode != 0:
            failed = re.findall(r"^\[  FAILED  \] (\w+\.\w+)", others.stdout, re.M)
            return (failed[0], f"one of {len(set(failed))} tests") if failed else (program, f"ended with {others.returncode}")
    return None


if __name__ == "__main__":
    sys.exit(planted.main(BUGS, ("stages_test", "schemas_test"), find, __doc__))
