// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "schemas/alert.h"

// Which fields of an alert say what its shape needs.
namespace gyre::schemas {

inline std::string_view first_known(const Alert& alert,
                                    std::initializer_list<std::string_view> names) {
  for (const auto name : names)
    if (const auto value = alert.field(name); !value.empty()) return value;
  return {};
}

/// The file that the event is about, as the system call names it; empty if there is none. Of a
/// rename, a link: the new name.
inline std::string_view path_of(const Alert& alert) {
  return first_known(alert, {"fd.name", "fs.path.name", "evt.arg.linkpath", "evt.arg.newpath",
                             "evt.arg.path", "evt.arg.name", "evt.arg.filename"});
}

/// Of a rename, a link: the old name, or what is linked to.
inline std::string_view target_of(const Alert& alert) {
  return first_known(alert, {"evt.arg.target", "evt.arg.oldpath"});
}

/// Who did what to which kind of object, from an audit trail or a service; any may be empty.
struct Act {
  std::string_view actor;
  std::string_view action;
  std::string_view object;
};

/// Of a plugin source: by the names of that plugin's fields; of a source we don't know: by what
/// such fields are commonly called, the best name first.
Act act_of(const Alert& alert);

}  // namespace gyre::schemas
