#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS, SASL/SCRAM, client certificates and rights against a real Kafka, with a certification authority of the test's own.
The rights that are granted are the rows of docs/kafka-access.md, and no secret may be seen anywhere.

usage: tests/kafka/secured.py PATH_TO_GYRE
"""
import ctypes
import os
import pathlib
import re
import secrets
import signal
import struct
import subprocess
import sys
import tempfile
import urllib.request

import kafka_log
from harness import TOOLS, Instance, Place, Problems, free_port, say, wait_for
from node import Node

PAGE = TOOLS.parent / "docs" / "kafka-access.md"
COUNT = 3_000
SCRAM_WORKS = 0x020601ff   # before, librdkafka sends its nonce twice, which Kafka 4 refuses
CREATE_ACLS = (30, 1)
RESOURCES = {"topic": 2, "group": 3, "transactional-id": 5}
PATTERNS = {"literal": 3, "prefixed": 4}
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Delete": 6, "DescribeConfigs": 10}
ALLOW = 3
PASSWORD = "s" + secrets.token_hex(12)
WRONG_PASSWORD = "w" + secrets.token_hex(12)
KEY_PASSWORD = "k" + secrets.token_hex(12)


def librdkafka_version():
    """Of the library that Gyre will find."""
    for name in (None, "librdkafka.so.1"):   # one that is preloaded first
        library = ctypes.CDLL(name)
        if hasattr(library, "rd_kafka_version"):
            return library.rd_kafka_version()
    raise RuntimeError("no librdkafka")


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def make_authority(directory, name):
    openssl(directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.pem")


def make_certificate(directory, authority, name, *key_options):
    openssl(directory, "req", "-newkey", "rsa:2048", *key_options, "-subj", f"/CN={name}", "-keyout", f"{name}.key",
            "-out", f"{name}.csr")
    (directory / "extensions").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl(directory, "x509", "-req", "-days", "2", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
            "-CAcreateserial", "-extfile", "extensions", "-out", f"{name}.pem")


def make_certificates(directory):
    directory.mkdir()
    make_authority(directory, "authority")
    make_authority(directory, "stranger")
    make_certificate(directory, "authority", "broker", "-nodes")
    make_certificate(directory, "authority", "gyre", "-passout", f"pass:{KEY_PASSWORD}")
    (directory / "keystore.pem").write_text((directory / "broker.key").read_text() + (directory / "broker.pem").read_text())


def start_node(directory, certificates, login, mutual):
    module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    stores = {"ssl.keystore.type": "PEM", "ssl.keystore.location": certificates / "keystore.pem",
              "ssl.truststore.type": "PEM", "ssl.truststore.location": certificates / "authority.pem"}
    listeners = f"LOGIN://127.0.0.1:{login},MUTUAL://127.0.0.1:{mutual}"
    return Node(directory, {
        "listeners": listeners, "advertised.listeners": listeners,
        "listener.security.protocol.map": "LOGIN:SASL_SSL,MUTUAL:SSL",
        **stores,
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]*).*$/$1/",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "listener.name.login.scram-sha-512.sasl.jaas.config": module,
        "listener.name.login.plain.sasl.jaas.config":
            f'org.apache.kafka.common.security.plain.PlainLoginModule required user_gyre="{PASSWORD}";',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",   # the listener without encryption: the node itself, and this test
    }, ["--add-scram", f"SCRAM-SHA-512=[name=gyre,password={PASSWORD}]"])


def rights(table):
    """(resource, name, pattern, operation) of the table of that number on the page."""
    tables = re.findall(r"(?:^\| (?:topic|group|transactional-id) .*\n)+", PAGE.read_text(), re.M)
    for row in tables[table].splitlines():
        resource, name, pattern, operations, _ = (cell.strip() for cell in row.strip("|").split("|"))
        for operation in operations.split(", "):
            yield resource, name.strip("`"), pattern, operation


def grant(place, table, only=None):
    names = {"falco.alerts": place.input, "falco.reports": place.reports, "falco.alerts.dead-letter": place.dead,
             "gyre.": f"{place.name}.", "gyre-": f"{place.name}-"}
    rows = [row for row in rights(table) if only in (None, row[0])]
    body = struct.pack(">i", len(rows))
    for resource, name, pattern, operation in rows:
        body += (struct.pack(">b", RESOURCES[resource]) + kafka_log.wire.text(names[name]) + struct.pack(">b", PATTERNS[pattern]) +
                 kafka_log.wire.text("User:gyre") + kafka_log.wire.text("*") + struct.pack(">bb", OPERATIONS[operation], ALLOW))
    reader = kafka_log.wire.call(place.brokers, CREATE_ACLS, body)
    reader.take("i")
    errors = reader.array(lambda: (reader.take("h"), reader.text()))
    if any(code for code, _ in errors):
        raise RuntimeError(f"rights were not granted: {errors}")
    say(f"granted: the {len(rows)} rights of table {table + 1}")


class Heard:
    """All that anybody can read of Gyre."""

    def __init__(self):
        self.text = ""

    def run(self, place, *arguments, **environment):
        done = subprocess.run([place.gyre, *map(str, arguments)], capture_output=True, timeout=300, env={**os.environ, **environment})
        output = (done.stdout + done.stderr).decode(errors="replace")
        self.text += output
        return done.returncode, output

    def get(self, port, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            self.text += answer.read().decode()


def test(gyre, directory):
    problems, heard = Problems(), Heard()
    certificates = directory / "certificates"
    make_certificates(certificates)
    login, mutual = free_port(), free_port()
    node = start_node(directory / "kafka", certificates, login, mutual)
    scram_works = librdkafka_version() >= SCRAM_WORKS
    with_password = {"security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512" if scram_works else "PLAIN", "sasl.username": "gyre",
                     "sasl.password": "${TEST_PASSWORD}", "ssl.ca.location": str(certificates / "authority.pem")}
    place = Place(gyre, node.brokers, directory, 2, 2)
    # Not below the inner topics' prefix, whose rights would be theirs.
    place.input, place.reports, place.dead = (f"falco-{what}-{place.name}" for what in ("alerts", "reports", "dead"))
    instance = Instance(place, "a", None, {"kafka": {"brokers": f"127.0.0.1:{login}", "properties": {**with_password, "debug": "all"}}})

    def config(name, port, **properties):
        return place.write_config(name, {"kafka": {"brokers": f"127.0.0.1:{port}", "properties": properties}})

    known = config("known", login, **with_password)
    certified = config("certified", mutual, **{
        "security.protocol": "ssl", "ssl.ca.location": str(certificates / "authority.pem"),
        "ssl.certificate.location": str(certificates / "gyre.pem"), "ssl.key.location": str(certificates / "gyre.key"),
        "ssl.key.password": "${TEST_KEY_PASSWORD}"})
    strange = config("strange", login, **{**with_password, "ssl.ca.location": str(certificates / "stranger.pem")})
    right = {"TEST_PASSWORD": PASSWORD, "TEST_KEY_PASSWORD": KEY_PASSWORD}
    try:
        subprocess.run([TOOLS / "create_topic", place.brokers, place.input, "2"], check=True)
        for file in (known, certified):
            problems.expect(heard.run(place, "check", "-c", file, **right)[0] == 0, f"check takes {file.name}")

        status, said = heard.run(place, "topics", "-c", known, **right)
        problems.expect(status == 1 and "authori" in said.lower(), f"without rights: {said[-200:]!r}")
        status, said = heard.run(place, "topics", "-c", known, TEST_PASSWORD=WRONG_PASSWORD)
        problems.expect(status == 1 and "authentication" in said.lower(), f"with a wrong password: {said[-300:]!r}")
        if not scram_works:
            scram = config("scram", login, **{**with_password, "sasl.mechanism": "SCRAM-SHA-512"})
            status, said = heard.run(place, "topics", "-c", scram, **right)
            problems.expect(status == 1 and "cannot log in by SCRAM to Kafka 4" in said, f"SCRAM with an old library: {said[-300:]!r}")
        status, said = heard.run(place, "topics", "-c", strange, **right)
        problems.expect(status == 1 and "certificate" in said.lower(), f"of a strange authority: {said[-300:]!r}")
        status, said = heard.run(place, "topics", "-c", certified, TEST_KEY_PASSWORD=WRONG_PASSWORD)
        problems.expect(status != 0, f"with a wrong password of the key: {said[-300:]!r}")

        status, said = heard.run(place, "check", "--connect", "-c", known, **right)
        problems.expect(status == 1 and "authori" in said.lower(), f"the check finds no rights: {said[-300:]!r}")
        status, said = heard.run(place, "check", "--connect", "-c", known, "--set", "kafka.brokers=127.0.0.1:1",
                                 **right)
        problems.expect(status == 1 and "no answer from Kafka at 127.0.0.1:1" in said, f"the check finds no broker: {said[-300:]!r}")

        grant(place, 0, "topic")
        status, said = heard.run(place, "check", "--connect", "-c", known, **right)
        problems.expect(status == 1 and f"ok write {place.reports}" not in said and "group" in said and "GROUP_AUTHORIZATION" in said and
                        "TRANSACTIONAL_ID_AUTHORIZATION" in said, f"the check names the rights that are missing: {said[-600:]!r}")
        grant(place, 0)
        status, said = heard.run(place, "run", "-c", known, **right)
        problems.expect(status == 1 and "create it with sufficient rights: kafka-topics" in said, f"without Create: {said[-300:]!r}")
        grant(place, 1)
        instance.start(**right)
        wait_for("the engine works over TLS with a password, with the rights of the page",
                 lambda: instance.sample() and instance.value("gyre_ready") == 1, 120)
        status, said = heard.run(place, "check", "--connect", "-c", known, **right)
        problems.expect(status == 0 and f"ok write {place.reports}" in said and f"ok read {place.input}" in said,
                        f"the check finds every right of the page: {said[-600:]!r}")
        problems.expect(not any([*kafka_log.read(place.brokers, place.reports), *kafka_log.read(place.brokers, place.dead)]),
                        "the check has written nothing")
        status, said = heard.run(place, "generate", "-c", known, "--kafka", "--count", "10", **right)
        problems.expect(status == 1 and "authori" in said.lower(), f"it may not write its input: {said[-200:]!r}")

        grant(place, 2)
        generate = ("--kafka", "--count", COUNT, "--profile", "attack", "--hosts", 2)
        problems.expect(heard.run(place, "generate", "-c", certified, *generate, **right)[0] == 0, "alerts sent with a client certificate")
        wait_for(f"{COUNT:,} alerts are counted", lambda: instance.sample() and instance.value("gyre_alerts_folded_total") +
                 instance.value("gyre_alerts_duplicate_total") == COUNT)
        problems.expect(instance.value("gyre_dead_letters_total") == 0, "no dead letter")
        wait_for("there are reports", lambda: instance.sample() and instance.value("gyre_reports_total") > 0)
        for path in ("/metrics", "/status", "/healthz", "/readyz"):
            heard.get(instance.port, path)
        status, said = heard.run(place, "reports", "-c", certified, "--format", "json", **right)
        problems.expect(status == 0 and '"kind"' in said, "reports read with a client certificate")
        problems.expect(heard.run(place, "redeliver", "-c", known, **right)[0] == 0, "dead letters looked through")
        problems.expect(instance.end(signal.SIGTERM) == 0, "the instance left with 0 when asked to")
        heard.text += instance.log.read_text(errors="replace")
        for what, secret in (("password", PASSWORD), ("wrong password", WRONG_PASSWORD), ("key's password", KEY_PASSWORD)):
            problems.expect(secret not in heard.text, f"the {what} stands nowhere in {len(heard.text):,} characters of output, log, metrics and answers")
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        problems.expect(False, str(error))
    finally:
        if instance.process:
            instance.end(signal.SIGKILL)
        node.end()
    if problems.found and instance.log.exists():
        print(instance.log.read_text(errors="replace")[-4000:])
    return len(problems.found)


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory(prefix="gyre-secured.") as directory:
        wrong = test(os.path.abspath(sys.argv[1]), pathlib.Path(directory))
    say("all is as it should be" if not wrong else f"{wrong} expectations failed")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
