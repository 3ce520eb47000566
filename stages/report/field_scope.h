// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "schemas/records.pb.h"
#include "stages/report/facts.h"

namespace gyre::stages {

/// Can an alert of this finding hold the field at all? What it never can is not missing, and asking
/// Falco for it is wrong. By source (`proc.name` is no field of an audit log), by entity (a host
/// has no image), and by system call: an event holds the arguments of its own call only
/// (falcosecurity/libs driver/event_table.c), `fd.*` only where the call has a descriptor.
bool can_hold(const records::Series& series, const Facts& facts, std::string_view field);

}  // namespace gyre::stages
