// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace gyre::pipeline {

/// The reports that somebody asks for by their ids or by the beginnings of ids.
class AskedIds {
 public:
  /// Empty: of any id.
  explicit AskedIds(const std::set<std::string>& beginnings);

  /// 8 hex digits at least, a whole id at most.
  static bool is_beginning(std::string_view text);

  /// Whether a report of this id, as read, is one of them.
  bool wants(const std::string& id);
  /// A report that was deleted.
  void forget(const std::string& id);
  /// All that is there was read. From now on each beginning stands for the one id that it has, or,
  /// where it has none yet, for the next that comes. Throws Failure where it has several.
  void settle();
  /// Of what was asked for: what is not there.
  std::set<std::string> unknown() const;

 private:
  std::map<std::string, std::set<std::string>> found_;  // by beginning
  bool settled_ = false;
};

}  // namespace gyre::pipeline
