// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

namespace gyre::pipeline {

class Status;

/// Tells systemd, if it started this process as Type=notify, that it is ready, alive or stopping:
/// sd_notify(3) is one datagram to the socket named by NOTIFY_SOCKET. Written here, since
/// libsystemd would bring four libraries into the image for it. Elsewhere it does nothing.
class ServiceManager {
 public:
  ServiceManager();
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  /// To be called a few times a second: READY once `status` first says so, then WATCHDOG at half
  /// the interval asked for (WATCHDOG_USEC), but only while it is healthy.
  void tell(const Status& status);
  void stopping();

 private:
  using Clock = std::chrono::steady_clock;
  void send(const std::string& message) const;

  int socket_ = -1;
  std::string address_;                     ///< sun_path; a leading NUL is the abstract namespace
  std::chrono::microseconds pet_every_{0};  ///< 0: no watchdog
  Clock::time_point petted_;
  bool ready_ = false;
  std::string why_not_;
};

}  // namespace gyre::pipeline
