#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus watches a running Gyre with data, which is killed on the way and loses its disk: the metrics and rules are
accepted, every panel of both dashboards shows something, and no alert fires.

usage: GYRE_KAFKA=HOST:PORT tests/deploy/watched.py GYRE [--pictures DIR]   (tools/with_kafka sets it; with pictures: 4 minutes)
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import picture

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEADLINE = 120   # seconds until every panel must show something


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def write_configs(folder, brokers, gyre_port, name):
    (folder / "gyre.yaml").write_text(f"""
name: {name}
instance: one
kafka: {{brokers: "{brokers}"}}
input: {{topic: {name}.alerts, cluster: lab, dead_letter_topic: {name}.dead}}
outputs: [{{topic: {name}.reports}}]
inner: {{replication_factor: 1, partitions: 4}}
state: {{directory: "{folder}/state"}}
admin: {{listen: "127.0.0.1:{gyre_port}"}}
""")
    shipped = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    here = shipped.replace("gyre:9464", f"127.0.0.1:{gyre_port}").replace("15s", "1s")
    assert here.count("1s") == 2 and str(gyre_port) in here, "prometheus.yml has changed"
    (folder / "prometheus.yml").write_text(here)
    shutil.copy(ROOT / "deploy/prometheus/gyre.rules.yml", folder)


class Watch:
    def __init__(self, gyre, brokers, folder):
        name = f"watched{int(time.time())}"
        self.gyre, self.folder, self.processes = gyre, folder, []
        gyre_port, port = free_port(), free_port()
        self.gyre_url, self.url = f"http://127.0.0.1:{gyre_port}", f"http://127.0.0.1:{port}"
        write_configs(folder, brokers, gyre_port, name)
        subprocess.run([ROOT / "tools/create_topic", brokers, f"{name}.alerts", "4"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([gyre, "topics", "-c", folder / "gyre.yaml"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.run_gyre()
        self.start("prometheus", ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
                                  f"--web.listen-address=127.0.0.1:{port}"])

    def start(self, name, command):
        log = open(self.folder / f"{name}.log", "w")
        self.processes.append((name, subprocess.Popen(command, stdout=log, stderr=log)))

    def run_gyre(self):
        self.start("gyre", [self.gyre, "run", "-c", self.folder / "gyre.yaml"])

    def kill_gyre(self):
        """And its disk is lost: it restores all from its changelog topics."""
        (at,) = [i for i, (name, _) in enumerate(self.processes) if name == "gyre"]
        _, process = self.processes.pop(at)
        process.kill()
        process.wait()
        shutil.rmtree(self.folder / "state")
        self.run_gyre()

    def feed(self, count, rate, seed):
        self.start(f"generate{seed}", [self.gyre, "generate", "-c", self.folder / "gyre.yaml", "--kafka", "--count", str(count), "--rate", str(rate),
                                       "--event-rate", str(rate), "--seed", str(seed), "--hosts", "20", "--attacks", "3",
                                       "--duplicates", "0.02", "--garbage", "0.005"])

    def check_alive(self):
        for name, process in self.processes:
            if process.poll() not in (None, 0):
                sys.exit(f"{name} ended with {process.returncode}:\n{(self.folder / (name + '.log')).read_text()[-2000:]}")

    def stop(self):
        for _, process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for _, process in self.processes:
            process.wait()

    def api(self, path, **query):
        try:
            answer = json.loads(get(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"))
        except urllib.error.HTTPError as error:
            if error.code == 503:   # it is starting
                raise
            sys.exit(f"Prometheus refuses {query or path}: {error.read().decode()}")
        return answer["data"]


def expression(target, seconds):
    text = target["expr"]
    for name, value in (("$__rate_interval", "10s"), ("$__range", f"{seconds}s"), ("$job", ".+"), ("$instance", ".+")):
        text = text.replace(name, value)
    return text


def legend(target, labels):
    return re.sub(r"{{(\w+)}}", lambda m: labels.get(m.group(1), ""), target["legendFormat"])


def ask(watch, panel, seconds):
    """[(legend, [(time, value), ...])]; a query without any number is left out."""
    shown, now = [], time.time()
    for target in panel["targets"]:
        if target["instant"]:
            result = watch.api("query", query=expression(target, seconds))["result"]
            series = [(r["metric"], [r["value"]]) for r in result]
        else:
            result = watch.api("query_range", query=expression(target, seconds), start=now - seconds, end=now, step=max(1, seconds // 120))
            series = [(r["metric"], r["values"]) for r in result["result"]]
        for labels, points in series:
            numbers = [(float(t), float(v)) for t, v in points if v != "NaN"]
            if numbers:
                shown.append((legend(target, labels), numbers, target["refId"]))
    return shown


def lint(model):
    """The rules of Grafana's dashboard linter that matter here."""
    for panel in model["panels"]:
        if panel["type"] == "row":
            continue
        where = f"{model['title']}: panel {panel['title']!r}"
        assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"], f"{where} lacks description or unit"
        assert panel["targets"], f"{where} has no query"
        for target in panel["targets"]:
            for selector in re.findall(r"gyre_\w+{([^}]*)}|process_\w+{([^}]*)}", target["expr"]):
                assert all(f'{name}=~"${name}"' in "".join(selector) for name in ("job", "instance")), f"{where}: {target['expr']}"
            for metric in re.findall(r"(gyre_\w+)(?!\w|{)", target["expr"]):
                assert f"{metric}{{" in target["expr"], f"{where}: {metric} without job and instance"


def empty_queries(watch, models, seconds):
    for model in models:
        for panel in model["panels"]:
            if panel["type"] == "row":
                continue
            answered = {ref for _, _, ref in ask(watch, panel, seconds)}
            for target in panel["targets"]:
                if target["refId"] not in answered:
                    yield f"{model['title']}: {panel['title']}: {expression(target, seconds)}"


def check_rules(watch):
    problems = []
    for group in watch.api("rules")["groups"]:
        for rule in group["rules"]:
            if rule["health"] != "ok":
                problems.append(f"{rule['name']} is {rule['health']}: {rule.get('lastError', '')}")
            elif rule["type"] == "recording" and not watch.api("query", query=rule["name"])["result"]:
                problems.append(f"{rule['name']} records nothing")
            elif rule["type"] == "alerting" and rule["state"] == "firing":
                problems.append(f"{rule['name']} fires: {rule['alerts'][0]['annotations']['summary']}")
    return problems


def main():
    gyre, pictures = os.path.abspath(sys.argv[1]), sys.argv[3] if sys.argv[2:3] == ["--pictures"] else None
    models = [json.loads(path.read_text()) for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))]
    for model in models:
        lint(model)
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(gyre, os.environ["GYRE_KAFKA"], pathlib.Path(folder))
        try:
            seconds = 240 if pictures else 60
            watch.feed(200 * (seconds if pictures else DEADLINE), 200, 7)
            began, killed = time.monotonic(), False
            while True:
                time.sleep(0.5)   # a poll, no guess at how long it takes
                watch.check_alive()
                over = time.monotonic() - began
                if not killed and over > seconds / 3:
                    killed = True
                    watch.kill_gyre()
                try:
                    problems = list(empty_queries(watch, models, seconds)) + check_rules(watch)
                except urllib.error.URLError as error:   # not listening yet
                    problems = [f"Prometheus does not answer: {error}"]
                if over > DEADLINE and problems:
                    sys.exit("after %d s:\n" % over + "\n".join(problems))
                if not problems and killed and over > (seconds if pictures else 0):
                    break
            metrics = get(watch.gyre_url + "/metrics")
            subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True, check=True)
            queries = sum(len(p.get("targets", [])) for m in models for p in m["panels"])
            for model in models if pictures else []:
                answers = {p["id"]: [a[:2] for a in ask(watch, p, seconds)] for p in model["panels"] if p["type"] != "row"}
                (pathlib.Path(pictures) / f"{model['uid']}.svg").write_text(picture.draw(model, answers))
            print(f"{queries} queries of {len(models)} dashboards answered with data after {over:.0f} s; all rules are well, no alert fires")
        finally:
            watch.stop()


if __name__ == "__main__":
    main()
