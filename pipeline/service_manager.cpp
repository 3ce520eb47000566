// SPDX-License-Identifier: Apache-2.0
#include "pipeline/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "pipeline/status.h"

namespace gyre::pipeline {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

ServiceManager::ServiceManager() : address_(environment("NOTIFY_SOCKET")) {
  if (address_.empty() || address_.size() >= sizeof(sockaddr_un::sun_path)) return;
  if (address_.front() == '@') address_.front() = '\0';
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const std::string interval = environment("WATCHDOG_USEC");
  pet_every_ = std::chrono::microseconds(std::strtoll(interval.c_str(), nullptr, 10) / 2);
}

ServiceManager::~ServiceManager() {
  if (socket_ >= 0) ::close(socket_);
}

void ServiceManager::tell(const Status& status) {
  if (socket_ < 0) return;
  if (!ready_) {
    const auto [ready, why_not] = status.ready();
    ready_ = ready;
    if (ready) {
      send("READY=1\nSTATUS=ready");
    } else if (why_not != why_not_) {
      send("STATUS=" + why_not);
      why_not_ = why_not;
    }
  }
  const auto now = Clock::now();
  if (pet_every_.count() == 0 || now - petted_ < pet_every_ || !status.healthy().first) return;
  petted_ = now;
  send("WATCHDOG=1");
}

void ServiceManager::stopping() { send("STOPPING=1"); }

void ServiceManager::send(const std::string& message) const {
  if (socket_ < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  // A manager that does not listen is its own affair.
  [[maybe_unused]] const auto sent = ::sendto(socket_, message.data(), message.size(), MSG_NOSIGNAL,
                                              reinterpret_cast<const sockaddr*>(&to), size);
}

}  // namespace gyre::pipeline
