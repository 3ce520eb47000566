// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/playbook.pb.h"
#include "schemas/records.pb.h"

namespace re2 {
class RE2;
}

namespace gyre::stages {

using playbook::Playbook;

/// An entry of the catalogue of known sources, its patterns compiled.
struct KnownSource {
  playbook::Source entry;
  std::vector<std::shared_ptr<const re2::RE2>> names;  ///< as entry.names
};

/// The built-in playbooks, overridden by the files of a directory: a playbook there wins for the
/// rules it names, a named step, source or sign for its id. Constant after construction; any
/// thread.
class Playbooks {
 public:
  /// Throws ConfigError naming file, line and column of every problem. `directory` (searched with
  /// its subdirectories) empty: only the built-in ones.
  explicit Playbooks(const std::string& directory = "");
  ~Playbooks();

  /// By the rule's name, then by its name without regard to case; else the family's that its tags,
  /// then its source, lead to.
  const Playbook& of(const records::Series& series, const records::Summary& summary) const;
  const std::vector<KnownSource>& sources() const;
  /// By id: what raises the risk of any finding.
  const std::map<std::string, playbook::Sign>& signs() const;
  /// The window in which all alerts of the finding lie, if a test of this source was announced
  /// there; else nullptr.
  const playbook::Window* window_of(const playbook::Source& source, const records::Entity& entity,
                                    const records::Summary& summary,
                                    std::string_view k8s_namespace) const;
  /// Is it the image of that name, on Docker Hub or a mirror (ruling 11)?
  bool is_image(std::string_view image, std::string_view known) const;
  /// As written, named steps put in; each with the file it is from.
  const std::vector<std::pair<std::string, Playbook>>& all() const;
  std::size_t size() const { return all().size(); }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Why a playbook that does not name the rule was taken: `its tag mitre_execution`. Empty if it
/// names the rule.
std::string why_chosen(const Playbook& playbook, const records::Series& series,
                       const records::Summary& summary);

}  // namespace gyre::stages
