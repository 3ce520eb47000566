// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/phenomena.h"

// The vocabulary of the lists of phenomena; for those files only.
namespace gyre::pipeline::fields {

using Fields = std::vector<FieldSpec>;

inline Fields process(std::string name, std::string exepath, std::string parent,
                      std::string cmdline, std::initializer_list<FieldSpec> more = {}) {
  Fields fields = {{"evt.type", "execve"},
                   {"proc.name", std::move(name)},
                   {"proc.exepath", std::move(exepath)},
                   {"proc.pname", std::move(parent)},
                   {"proc.cmdline", std::move(cmdline)}};
  fields.insert(fields.end(), more);
  return fields;
}

struct FarEnd {
  std::string address;
  std::string port;
  std::string protocol;
};

inline Fields connection(std::string name, std::string exepath, std::string parent,
                         std::string cmdline, const FarEnd& to) {
  // Falco takes the near end of a container's connection for the far one; consumers must not rely
  // on lport and rport.
  return process(std::move(name), std::move(exepath), std::move(parent), std::move(cmdline),
                 {{"evt.type", to.protocol == "udp" ? "sendto" : "connect"},
                  {"fd.name", "$a:$p->" + to.address + ":" + to.port},
                  {"fd.lport", to.port, true},
                  {"fd.rport", "$p", true},
                  {"fd.type", "ipv4"},
                  {"fd.l4proto", to.protocol}});
}

inline Fields file(std::string name, std::string exepath, std::string parent, std::string cmdline,
                   std::string path, std::initializer_list<FieldSpec> more = {}) {
  Fields fields = process(std::move(name), std::move(exepath), std::move(parent),
                          std::move(cmdline), {{"evt.type", "openat"}});
  fields.push_back({"fd.name", std::move(path)});
  fields.insert(fields.end(), more);
  return fields;
}

inline const FieldSpec kSpawned{"evt.arg.flags", "EXE_WRITABLE|EXE_LOWER_LAYER"};
inline const FieldSpec kDropped{"evt.arg.flags", "EXE_WRITABLE|EXE_UPPER_LAYER"};
inline const FieldSpec kTerminal{"proc.tty", "34816", true};
inline std::vector<Phenomenon> joined(std::vector<Phenomenon> first,
                                      std::vector<Phenomenon> second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace gyre::pipeline::fields
