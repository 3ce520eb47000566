// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace gyre::pipeline {

class Telemetry;

/// `/metrics`, `/healthz` (200 or 503), `/readyz` (200, or 503 and why not), `/status` (JSON) on
/// `host:port`; port 0
/// takes a free one. Throws Failure naming address and cure if it cannot listen.
class AdminServer {
 public:
  AdminServer(const std::string& listen, const Telemetry& telemetry);
  ~AdminServer();
  std::uint16_t port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::pipeline
