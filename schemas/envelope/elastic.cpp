// SPDX-License-Identifier: Apache-2.0
#include "schemas/envelope/elastic.h"

#include <array>

namespace gyre::schemas::envelope {

namespace {

// Elastic's name, Falco's name.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kRenamed = {{
    {"client.ip", "fd.cip"},
    {"container.image.name", "container.image"},
    {"destination.ip", "fd.rip"},
    {"process.group_leader.vpid", "proc.vpgid"},
    {"process.parent.pid", "proc.ppid"},
    {"process.pid", "proc.pid"},
    {"process.session_leader.pid", "proc.sid"},
    {"server.ip", "fd.sip"},
    {"source.ip", "fd.lip"},
}};

}  // namespace

void restore_names(Alert& alert) {
  for (const auto& [renamed, original] : kRenamed) {
    if (alert.field(original).empty()) alert.fields.rename(renamed, original);
  }
}

}  // namespace gyre::schemas::envelope
