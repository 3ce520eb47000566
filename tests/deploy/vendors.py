# SPDX-License-Identifier: Apache-2.0
"""PagerDuty, Slack and Jira on this machine's loopback, as far as gyre-notify speaks with them. Each request is held to what
the vendor's documentation says of it (limits, required fields, allowed values); what does not hold is in `problems`."""
import base64
import collections
import http.server
import json
import re
import threading

KEY, TOKEN, USER = "0123456789abcdef0123456789abcdef", "xoxb-secret-token", "gyre@example.org"
# Characters that show something else than they are, or nothing.
INVISIBLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def units(text):
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


class Vendors:
    def __init__(self):
        self.problems, self.requests, self.failures = [], [], collections.deque()
        self.alerts, self.triggers, self.resolves = {}, collections.Counter(), collections.Counter()
        self.messages, self.replies = {}, []
        self.issues, self.comments = {}, []
        vendors = self

        class Handler(http.server.BaseHTTPRequestHandler):
            wbufsize = 1 << 16   # an answer is one packet
            def answer_any(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                vendors.requests.append((self.command, self.path, body))
                failure = vendors.failures.popleft() if vendors.failures else None
                if failure == "hang up":
                    self.close_connection = True
                    return
                status, headers, answer = failure if failure else vendors.answer(self.command, self.path, self.headers, body, size)
                data = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": len(data), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def hold(self, holds, text):
        if not holds:
            self.problems.append(text[:500])

    def answer(self, method, path, headers, body, size):
        for text in strings(body):
            self.hold(not INVISIBLE.search(text), f"{path}: an invisible character in {text!r}")
        if path == "/v2/enqueue":
            return self.pagerduty(body, size)
        if path.startswith("/api/"):
            return self.slack(path.removeprefix("/api/"), headers, body)
        if path.startswith("/rest/api/3/"):
            return self.jira(method, path.removeprefix("/rest/api/3/"), headers, body)
        return 404, {}, {}

    # developer.pagerduty.com: Events API v2, "Send an Alert Event".
    def pagerduty(self, body, size):
        if body.get("routing_key") != KEY:
            return 400, {}, {"status": "invalid event", "message": "Event object is invalid", "errors": ["routing_key"]}
        key, action = body.get("dedup_key", ""), body.get("event_action")
        self.hold(size <= 512 * 1024, f"{size} bytes, at most 512 KB")
        self.hold(action in ("trigger", "acknowledge", "resolve"), f"event_action {action}")
        self.hold(0 < len(key) <= 255, f"dedup_key {key}")
        if action == "resolve":
            self.resolves[key] += 1
            self.alerts[key] = False
            return 202, {}, {"status": "success", "message": "Event processed", "dedup_key": key}
        payload = body.get("payload", {})
        unknown = set(body) - {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
        unknown |= set(payload) - {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}
        self.hold(not unknown, f"unknown fields {unknown}")
        self.hold(0 < len(payload.get("summary", "")) <= 1024 and "\n" not in payload["summary"], "payload.summary")
        self.hold(payload.get("source"), "payload.source is required")
        self.hold(payload.get("severity") in ("critical", "error", "warning", "info"), "payload.severity")
        self.hold(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", payload.get("timestamp", "")), "payload.timestamp")
        self.hold(isinstance(payload.get("custom_details"), dict), "payload.custom_details")
        for link in body.get("links", []):
            self.hold(link["href"].startswith("https://"), f"link {link}")
        self.triggers[key] += 1
        self.alerts[key] = True
        return 202, {}, {"status": "success", "message": "Event processed", "dedup_key": key}

    # docs.slack.dev: chat.postMessage, chat.update, Block Kit's reference, "Formatting message text".
    def slack(self, method, headers, body):
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 200, {}, {"ok": False, "error": "invalid_auth"}
        self.hold(headers.get("Content-Type") == "application/json; charset=utf-8", "Content-Type without charset")
        self.hold(body.get("parse") == "none" and body.get("link_names") is False, f"{method} would find names and links in text")
        self.slack_text(body.get("text", ""), 40000)
        for block in body.get("blocks", []):
            text = block["text"]
            limit = {"header": 150, "section": 3000}[block["type"]]
            if text["type"] == "plain_text":
                self.slack_text(text["text"], limit)
                self.hold(text.get("emoji") is False, "plain_text with emoji")
            else:
                self.hold(re.fullmatch(r"<https://siem\.example/[0-9a-f]{32}\|Report>", text["text"]) and text["verbatim"], f"mrkdwn {text}")
        if method == "chat.update":
            if body.get("ts") not in self.messages:
                return 200, {}, {"ok": False, "error": "message_not_found"}
            self.messages[body["ts"]] = body
            return 200, {}, {"ok": True, "channel": body["channel"], "ts": body["ts"]}
        self.hold(method == "chat.postMessage" and body.get("mrkdwn") is False and body.get("unfurl_links") is False, f"{method} {body.keys()}")
        stamp = f"{len(self.requests)}.{len(self.messages):06}"
        if "thread_ts" in body:
            self.hold(body["thread_ts"] in self.messages, "a reply to nothing")
            self.replies.append(body)
        else:
            self.messages[stamp] = body
        return 200, {}, {"ok": True, "channel": body["channel"], "ts": stamp}

    def slack_text(self, text, limit):
        self.hold(0 < units(text) <= limit, f"a text of {units(text)}, at most {limit}")
        self.hold(not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text), f"not escaped: {text!r}")

    # developer.atlassian.com: Jira Cloud platform REST API v3; Atlassian Document Format.
    def jira(self, method, path, headers, body):
        if headers.get("Authorization") != "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode():
            return 401, {}, {"errorMessages": ["Client must be authenticated"]}
        if method == "POST" and path == "search/jql":
            label = re.fullmatch(r'project = "SEC" AND labels = "(gyre-[0-9a-f]{32})" AND statusCategory != Done ORDER BY created DESC', body["jql"])
            self.hold(label, f"JQL {body['jql']}")
            found = [key for key, issue in self.issues.items() if label and label[1] in issue["labels"] and not issue["done"]]
            return 200, {}, {"issues": [{"key": key, "fields": {"status": {}}} for key in found[-1:]], "isLast": True}
        if method == "POST" and path == "issue":
            fields = body["fields"]
            self.hold(0 < units(fields["summary"]) <= 255 and "\n" not in fields["summary"], "summary")
            self.hold(all(" " not in label for label in fields["labels"]), f"labels {fields['labels']}")
            self.adf(fields["description"])
            key = f"SEC-{len(self.issues) + 1}"
            self.issues[key] = {**fields, "done": False}
            return 201, {}, {"id": key, "key": key, "self": f"{self.url}/rest/api/3/issue/{key}"}
        key, _, what = path.removeprefix("issue/").partition("/")
        key, _, query = key.partition("?")
        if key not in self.issues:
            return 404, {}, {"errorMessages": ["Issue does not exist"]}
        issue = self.issues[key]
        if method == "GET" and query == "fields=status":
            return 200, {}, {"key": key, "fields": {"status": {"statusCategory": {"key": "done" if issue["done"] else "new"}}}}
        if what == "comment":
            self.adf(body["body"])
            self.comments.append((key, json.dumps(body["body"])))
            return 201, {}, {"id": "1"}
        if what == "transitions" and method == "GET":
            return 200, {}, {"transitions": [] if issue["done"] else [{"id": "31", "name": "Done"}, {"id": "11", "name": "Block"}]}
        self.hold(what == "transitions" and body == {"transition": {"id": "31"}}, f"{method} {path} {body}")
        issue["done"] = True
        return 204, {}, {}

    def adf(self, document):
        self.hold(document["type"] == "doc" and document["version"] == 1 and document["content"], "no document")
        self.hold(units(json.dumps(document)) <= 32767, f"a document of {units(json.dumps(document))}, at most 32,767")
        for block in document["content"]:
            self.hold(block["type"] in ("paragraph", "codeBlock"), f"block {block['type']}")
            for node in block["content"]:
                self.hold(node["type"] == "text" and node["text"], "an empty text node")
                marks = node.get("marks", [])
                self.hold(not marks or marks[0]["attrs"]["href"].startswith("https://siem.example/"), f"marks {marks}")
