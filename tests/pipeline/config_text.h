// SPDX-License-Identifier: Apache-2.0
// Configuration as its tests write it: text of one file, `gyre.yaml`.
#ifndef GYRE_TESTS_PIPELINE_CONFIG_TEXT_H_
#define GYRE_TESTS_PIPELINE_CONFIG_TEXT_H_

#include <string>

#include "base/error.h"
#include "pipeline/config.h"

namespace gyre::pipeline {

inline Config read(const std::string& yaml) { return parse_config(yaml, "gyre.yaml"); }

/// The message of the ConfigError, or empty if there was none.
inline std::string refusal(const std::string& yaml) {
  try {
    read(yaml);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace gyre::pipeline

#endif  // GYRE_TESTS_PIPELINE_CONFIG_TEXT_H_
