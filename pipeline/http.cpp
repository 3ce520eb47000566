// SPDX-License-Identifier: Apache-2.0
#include "pipeline/http.h"

#include <CivetServer.h>
#include <fmt/format.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "pipeline/telemetry.h"

namespace gyre::pipeline {

namespace {

struct Answer {
  bool good = true;
  std::string body;
  std::string type = "text/plain; charset=utf-8";
};

/// One address of the server. `answer` is called by civetweb's threads.
class Page : public CivetHandler {
 public:
  explicit Page(std::function<Answer()> answer) : answer_(std::move(answer)) {}

  bool handleGet(CivetServer* /*server*/, mg_connection* connection) override {
    return reply(connection, true);
  }
  bool handleHead(CivetServer* /*server*/, mg_connection* connection) override {
    return reply(connection, false);
  }

 private:
  bool reply(mg_connection* connection, bool with_body) {
    const Answer answer = answer_();
    std::string text = fmt::format(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
        "Connection: close\r\n\r\n",
        answer.good ? "200 OK" : "503 Service Unavailable", answer.type, answer.body.size());
    if (with_body) text += answer.body;
    mg_write(connection, text.data(), text.size());
    return true;
  }

  std::function<Answer()> answer_;
};

Answer verdict(const std::pair<bool, std::string>& state) {
  return {.good = state.first, .body = (state.first ? "ok" : state.second) + "\n"};
}

/// civetweb says why it could not listen only through a callback; without one it writes to the
/// terminal.
class LastMessage {
 public:
  static int keep(const mg_connection* connection, const char* message) {
    const mg_context* context = mg_get_context(connection);
    const auto* server = static_cast<const CivetServer*>(mg_get_user_data(context));
    auto* self = static_cast<LastMessage*>(const_cast<void*>(server->getUserContext()));
    const std::lock_guard lock(self->mutex_);
    self->text_ = message;
    return 1;
  }

  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

CivetCallbacks callbacks() {
  CivetCallbacks callbacks;
  callbacks.log_message = LastMessage::keep;
  return callbacks;
}

}  // namespace

struct AdminServer::Impl {
  Impl(const std::vector<std::string>& options, const Telemetry& telemetry,
       std::shared_ptr<LastMessage> log)
      : messages(std::move(log)),
        metrics([&telemetry] {
          return Answer{.body = telemetry.metrics(),
                        .type = "text/plain; version=0.0.4; charset=utf-8"};
        }),
        healthy([&telemetry] { return verdict(telemetry.status().healthy()); }),
        ready([&telemetry] { return verdict(telemetry.status().ready()); }),
        status([&telemetry] {
          return Answer{.body = telemetry.status().json(), .type = "application/json"};
        }),
        hooks(callbacks()),
        server(options, &hooks, messages.get()) {
    server.addHandler("/metrics$", metrics);
    server.addHandler("/healthz$", healthy);
    server.addHandler("/readyz$", ready);
    server.addHandler("/status$", status);
  }

  std::shared_ptr<LastMessage> messages;
  Page metrics;
  Page healthy;
  Page ready;
  Page status;
  CivetCallbacks hooks;
  CivetServer server;  // last: its threads end before the pages do
};

AdminServer::AdminServer(const std::string& listen, const Telemetry& telemetry) {
  const std::string where = listen.starts_with(':') ? listen.substr(1) : listen;
  // Two threads: one scrape that hangs must not make the probes fail.
  const std::vector<std::string> options = {"listening_ports",    where,  "num_threads", "2",
                                            "request_timeout_ms", "10000"};
  const auto messages = std::make_shared<LastMessage>();  // outlives a constructor that throws
  try {
    impl_ = std::make_unique<Impl>(options, telemetry, messages);
  } catch (const CivetException& e) {
    throw Failure(
        fmt::format("cannot listen on {} for /metrics, /healthz, /readyz and /status: {}; is the "
                    "port in use, or the "
                    "address not of this machine? set admin.listen",
                    listen, messages->text().empty() ? e.what() : messages->text()));
  }
}

AdminServer::~AdminServer() = default;

std::uint16_t AdminServer::port() const {
  const std::vector<int> ports = impl_->server.getListeningPorts();
  CHECK(!ports.empty());
  return static_cast<std::uint16_t>(ports.front());
}

}  // namespace gyre::pipeline
