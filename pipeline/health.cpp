// SPDX-License-Identifier: Apache-2.0
#include <civetweb.h>
#include <fmt/format.h>

#include <array>
#include <iostream>
#include <memory>
#include <string>

#include "base/error.h"
#include "pipeline/commands.h"

namespace gyre::pipeline {

namespace {

struct Address {
  std::string host;
  int port = 0;
};

/// Where this machine reaches what listens on `listen`.
Address reach(const std::string& listen) {
  const auto colon = listen.rfind(':');
  std::string host = listen.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  return {.host = host, .port = std::stoi(listen.substr(colon + 1))};
}

}  // namespace

int health(const Config& config) {
  const Address to = reach(config.admin.listen);
  std::array<char, 256> problem{};
  const std::unique_ptr<mg_connection, decltype(&mg_close_connection)> connection(
      mg_download(to.host.c_str(), to.port, 0, problem.data(), problem.size(), "%s",
                  "GET /readyz HTTP/1.0\r\n\r\n"),
      mg_close_connection);
  if (!connection)
    throw Failure(fmt::format("{} does not answer: {}", config.admin.listen, problem.data()));
  std::string answer;
  std::array<char, 1024> part{};
  for (int n = 0; (n = mg_read(connection.get(), part.data(), part.size())) > 0;)
    answer.append(part.data(), static_cast<std::size_t>(n));
  std::cout << answer;
  return mg_get_response_info(connection.get())->status_code == 200 ? 0 : 1;
}

}  // namespace gyre::pipeline
