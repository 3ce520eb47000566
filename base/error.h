// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace gyre {

/// The world failed: broker, disk, network. Thrown where it is noticed, caught once in the worker,
/// which rolls the batch back. The text says what was tried, what came back and, where one is
/// known, the cure.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Going on would lose, double or split something; no retry can help. Ends the process with exit
/// code 1.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The configuration is wrong: every problem in one message. Exit code 78.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace gyre
