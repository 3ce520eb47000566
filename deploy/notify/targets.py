# SPDX-License-Identifier: Apache-2.0
"""PagerDuty, Slack and Jira as gyre-notify sees them: each is told of a series that opens, has news or closes.

Every string of a report may have been chosen by an attacker. It is cleaned, cut to the target's limit, and put where the target
does not look for markup; Slack's three characters are escaped."""
import base64
import http.client
import json
import unicodedata
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT = 15


class Again(Exception):
    """The target cannot take it now; `after` seconds if it says when."""

    def __init__(self, text, after=None):
        super().__init__(text)
        self.after = after


class Refused(Exception):
    """The target does not take this text."""


class Misconfigured(Exception):
    """Nothing will pass until somebody mends the configuration."""


class Gone(Exception):
    """The alert, message or issue that the handle names is no longer there."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the credentials somewhere else."""

    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def call(method, url, headers, body=None):
    """The answer's JSON. Bodies of errors are quoted: they come from the target, who was told no secret in the body's text."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json",
                                                 "User-Agent": "gyre-notify", **headers}, method=method)
    try:
        with OPENER.open(request, timeout=TIMEOUT) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise_status(error.code, error.headers.get("Retry-After", ""), error.read(2000).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:   # URLError is an OSError
        raise Again(f"{type(error).__name__}: {error}") from error
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise Again(f"the answer is no JSON: {error}") from error


def raise_status(status, retry_after, text):
    text = f"HTTP {status}: {clean(text, 300)}"
    if status in (408, 425, 429) or status >= 500:
        raise Again(text, int(retry_after) if retry_after.isdigit() else None)
    if status in (404, 410):
        raise Gone(text)
    if status in (400, 413, 422):
        raise Refused(text)
    raise Misconfigured(text)


def clean(text, limit):
    """One line without control, bidirectional and other invisible characters, of at most `limit` UTF-16 units, as Java and
    JavaScript count."""
    return "".join(c if visible(c) else " " for c in cut(text, limit))


def clean_lines(text, limit):
    return "".join(c if c == "\n" or visible(c) else " " for c in cut(text, limit))


def visible(character):
    return unicodedata.category(character) not in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")


def units(text):
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text, limit):
    if units(text) <= limit:
        return text
    return text.encode("utf-16-le", "surrogatepass")[:2 * (limit - 1)].decode("utf-16-le", "ignore") + "…"


def words(name):
    return name.replace("_", " ")


def place(report):
    """Where it is: what a person would look for first."""
    entity = report.get("entity", {})
    members = report.get("members", {})
    if members:
        return f"{members['hosts']} hosts, {members['workloads']} workloads ({members['pattern']})"
    parts = [f"{name} {entity[key]}" for name, key in (
        ("cluster", "cluster"), ("host", "hostname"), ("namespace", "namespace"), ("pod", "pod"), ("container", "container_name"),
        ("id", "container_id"), ("image", "image"), ("object", "object")) if entity.get(key)]
    return ", ".join(parts) or entity.get("key", report["tenant"])


def facts(report):
    """Label and text, the most important first."""
    verdict, risk, counts = report.get("verdict"), report.get("risk"), report["counts"]
    attack = sorted({part["name"] for part in report.get("attack", [])})
    rows = [
        ("Where", place(report)),
        ("Rule", report.get("rule", "")),
        ("Verdict", f"{words(verdict['class'])}, {verdict['confidence']} confidence" if verdict else ""),
        ("Severity", report["severity"] + (f", risk {risk['score']} of 100" if risk else "")),
        ("Attention", f"{report['attention']['level']}: {report['attention']['because']}"),
        ("ATT&CK", ", ".join(attack)),
        ("Alerts", f"{counts['alerts']}, from {report.get('first_seen', '?')} to {report.get('last_seen', '?')}"),
        ("This revision", f"{report['revision']}, {words(report['reason'])}"),
        ("Report", f"{words(report['kind'])} {report['id']}"),
    ]
    return [(label, clean(text, 500)) for label, text in rows if text]


def without_texts(report):
    """What is left when everything that an alert could have written into it is taken out."""
    kept = {key: report[key] for key in ("schema_version", "kind", "id", "revision", "series", "time", "state", "reason", "severity", "counts",
                                         "first_seen", "last_seen", "closed_because") if key in report}
    return {**kept, "tenant": "-", "title": f"{words(report['kind'])} {report['id']}", "markdown": "",
            "attention": {"level": report["attention"]["level"], "because": "its texts were refused here, read it at its source"}}


def why_closed(report):
    if report["state"] == "open":
        return f"No longer for attention: {report['attention']['because']}"
    because = {"quiet": "nothing came any more", "max_age": "it reached its greatest age, the next episode continues it",
               "end_of_input": "the input ended"}
    return f"Closed: {because.get(report.get('closed_because'), 'it ended')}. Closed means quiet, not remediated."


class Target:
    """`link` is a template with {id} and {series}, which are hexadecimal, or empty."""

    def __init__(self, settings):
        self.settings = settings

    def link(self, report):
        return self.settings["link"].replace("{id}", report["id"]).replace("{series}", report["series"])


class PagerDuty(Target):
    """Events API v2: one alert per series, which later events of the same dedup_key join; nothing has to be remembered."""

    KEYS = {"routing_key_file": None, "url": "https://events.pagerduty.com/v2/enqueue", "levels": ["page"], "link": ""}
    SEVERITY = {"critical": "critical", "high": "error", "medium": "warning"}

    def send(self, body):
        call("POST", self.settings["url"], {}, {"routing_key": self.settings["routing_key"], **body})

    def open(self, report, _handle):
        body = {
            "event_action": "trigger", "dedup_key": report["series"], "client": "Gyre",
            "payload": {
                "summary": clean(report["title"], 1024), "source": clean(place(report), 255),
                "severity": self.SEVERITY.get(report["severity"], "info"), "timestamp": report["time"],
                "component": clean(report.get("rule", report["kind"]), 255), "group": clean(report["tenant"], 255),
                "class": report["kind"],
                "custom_details": {**dict(facts(report)), "Markdown": clean_lines(report["markdown"], 60000)},
            },
        }
        if self.settings["link"]:
            body["links"] = [{"href": self.link(report), "text": "Report"}]
        self.send(body)

    def update(self, report, _handle, _news):
        self.open(report, None)

    def close(self, report, _handle):
        self.send({"event_action": "resolve", "dedup_key": report["series"]})


class Slack(Target):
    """Web API: one message per series, which shows its newest state; what is new is told in its thread. The handle is
    CHANNEL:TS. Texts go where Slack knows no markup (plain_text, mrkdwn off), with its three control characters escaped."""

    KEYS = {"token_file": None, "channel": None, "url": "https://slack.com/api", "levels": ["page", "ticket"], "link": ""}
    AGAIN = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
    GONE = {"message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed"}
    REFUSED = {"msg_too_long", "invalid_blocks", "invalid_blocks_format", "no_text", "msg_blocks_too_long"}

    def send(self, method, body):
        answer = call("POST", f"{self.settings['url']}/{method}", {"Authorization": f"Bearer {self.settings['token']}"},
                      {"parse": "none", "link_names": False, **body})
        if answer.get("ok"):
            return answer
        error = str(answer.get("error"))
        text = f"{method}: {clean(error, 100)}"
        raise (Again(text) if error in self.AGAIN else Gone(text) if error in self.GONE else
               Refused(text) if error in self.REFUSED else Misconfigured(text))

    @staticmethod
    def escape(text, limit):
        """Of at most `limit` units once escaped; no entity is cut in two."""
        while True:
            escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            if (over := units(escaped) - limit) <= 0:
                return escaped
            text = cut(text, units(text) - max(over // 5, 1))

    def plain(self, text, limit):
        return {"type": "plain_text", "emoji": False, "text": self.escape(text, limit)}

    def message(self, report, headline):
        title = clean(f"{headline} {report['title']}", 300)
        rows = "\n".join(f"{label}: {text}" for label, text in facts(report))
        blocks = [{"type": "header", "text": self.plain(title, 150)}, {"type": "section", "text": self.plain(rows, 3000)}]
        if self.settings["link"]:
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "verbatim": True, "text": f"<{self.link(report)}|Report>"}})
        return {"text": self.escape(title, 1000), "blocks": blocks}

    def post(self, body):
        answer = self.send("chat.postMessage", {"mrkdwn": False, "unfurl_links": False, "unfurl_media": False, **body})
        return f"{answer['channel']}:{answer['ts']}"

    def show(self, handle, report, headline):
        channel, _, stamp = handle.partition(":")
        self.send("chat.update", {"channel": channel, "ts": stamp, **self.message(report, headline)})

    def tell(self, handle, text, broadcast):
        channel, _, stamp = handle.partition(":")
        self.post({"channel": channel, "thread_ts": stamp, "reply_broadcast": broadcast, "text": self.escape(clean(text, 1000), 3000)})

    def open(self, report, handle):
        headline = report["attention"]["level"].upper()
        if not handle:
            return self.post({"channel": self.settings["channel"], **self.message(report, headline)})
        self.show(handle, report, headline)
        self.tell(handle, "It is back: " + report["attention"]["because"], True)
        return handle

    def update(self, report, handle, news):
        level = report["attention"]["level"]
        self.show(handle, report, level.upper())
        if news:
            self.tell(handle, f"Revision {report['revision']}: {words(report['reason'])}. {report['attention']['because']}", level == "page")
        return handle

    def close(self, report, handle):
        self.show(handle, report, "CLOSED")
        self.tell(handle, why_closed(report), False)
        return handle


class Jira(Target):
    """Jira Cloud, REST API 3: one open issue per series, found again by its label; the handle is its key. Texts are nodes of an
    Atlassian document, in which nothing is markup."""

    KEYS = {"site": None, "user": None, "token_file": None, "project": None, "issue_type": "Task", "close_transition": "",
            "fields": {}, "levels": ["page", "ticket"], "link": ""}
    LONGEST = 32000   # of a text field: 32,767

    def send(self, method, path, body=None):
        user = f"{self.settings['user']}:{self.settings['token']}"
        return call(method, f"{self.settings['site'].rstrip('/')}/rest/api/3/{path}",
                    {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}, body)

    @staticmethod
    def paragraph(text):
        return {"type": "paragraph", "content": [{"type": "text", "text": text}]}

    def document(self, report, first, markdown):
        content = [self.paragraph(first)] if first else []
        content += [self.paragraph(f"{label}: {text}") for label, text in facts(report)]
        if self.settings["link"]:
            content.append({"type": "paragraph", "content": [{"type": "text", "text": "Report", "marks": [
                {"type": "link", "attrs": {"href": self.link(report)}}]}]})
        document = {"type": "doc", "version": 1, "content": content}
        if markdown and report["markdown"]:
            text, left = clean_lines(report["markdown"], self.LONGEST), self.LONGEST - len(json.dumps(document)) - 200
            while len(json.dumps(text)) > left:
                text = cut(text, max(units(text) * 9 // 10, 2))
            content.append({"type": "codeBlock", "attrs": {"language": "markdown"}, "content": [{"type": "text", "text": text}]})
        return document

    def find(self, series):
        jql = f'project = "{self.settings["project"]}" AND labels = "gyre-{series}" AND statusCategory != Done ORDER BY created DESC'
        issues = self.send("POST", "search/jql", {"jql": jql, "fields": ["status"], "maxResults": 1}).get("issues", [])
        return issues[0]["key"] if issues else ""

    def is_done(self, key):
        fields = self.send("GET", f"issue/{urllib.parse.quote(key, safe='')}?fields=status")["fields"]
        return fields["status"]["statusCategory"]["key"] == "done"

    def create(self, report):
        return self.send("POST", "issue", {"fields": {
            **self.settings["fields"], "project": {"key": self.settings["project"]}, "issuetype": {"name": self.settings["issue_type"]},
            "summary": clean(report["title"], 255), "labels": ["gyre", f"gyre-{report['series']}"],
            "description": self.document(report, "", True)}})["key"]

    def comment(self, key, report, text):
        self.send("POST", f"issue/{urllib.parse.quote(key, safe='')}/comment", {"body": self.document(report, text, False)})

    def open(self, report, handle):
        if not handle or self.is_done(handle):
            handle = self.find(report["series"])
        if not handle:
            return self.create(report)
        self.comment(handle, report, "It is back.")
        return handle

    def update(self, report, handle, news):
        if not news:
            return handle
        if self.is_done(handle):
            return self.open(report, "")
        self.comment(handle, report, f"Revision {report['revision']}: {words(report['reason'])}.")
        return handle

    def close(self, report, handle):
        self.comment(handle, report, why_closed(report))
        if self.settings["close_transition"]:
            self.move(handle, self.settings["close_transition"])
        return handle

    def move(self, key, name):
        path = f"issue/{urllib.parse.quote(key, safe='')}/transitions"
        possible = [each["id"] for each in self.send("GET", path)["transitions"] if each["name"] == name]
        if possible:   # none where somebody has moved it already
            self.send("POST", path, {"transition": {"id": possible[0]}})


TARGETS = {"pagerduty": PagerDuty, "slack": Slack, "jira": Jira}
