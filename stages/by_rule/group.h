// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/by_rule/stage.h"
#include "stages/report/outbreak.h"

namespace gyre::stages {

/// What the decisions of one rule and shape at one event-time second stand in.
struct OutbreakContext {
  Second now;
  const OutbreakConfig& config;
  const Producer& producer;
};

/// What was known of a member before the second.
struct Before {
  records::Contribution newest;
  /// Whether outbreaks of either kind tell of findings that counted and that another one followed.
  bool everywhere = false, recurring = false;
};

/// Whose contributions were taken note of.
struct Joined {
  records::Contribution contribution;  ///< the last of the second; `added` is that of all of them
  std::optional<Before> before;
  records::OutbreakMember member;
  bool kept = false;  ///< else the cap left it out: only its counts and its newest sighting count
};

/// A member that an outbreak has begun to tell of.
struct BegunWith {
  std::string workload;  ///< hash; empty: none
  std::string finding_key;
};

/// Puts `key` into a list of the newest `most`.
void note_recent(google::protobuf::RepeatedPtrField<records::Recent>& newest,
                 const std::string& key, Nanos last, std::uint32_t most);

/// Decides the outbreak of one group. The group's lists of the newest hosts, workloads and
/// containers hold what `joined` brought already, and the members' accounts, which are stored.
/// `open` follows the number of open outbreaks.
class GroupDecision {
 public:
  GroupDecision(const std::string& key, records::Group& group, const OutbreakContext& context,
                state::Transaction& state, std::int64_t& open,
                std::vector<schemas::Report>& reports);

  /// Opens an outbreak if the threshold is reached (DESIGN 7). Whom it tells of. Of the rule's
  /// members those were `forgotten` that were seen up to then, or some of them.
  std::vector<BegunWith> try_open(Nanos forgotten);
  /// Takes note of who joined the open outbreak, says what is worth a revision.
  void go_on(std::vector<Joined>& joined);
  /// Closes the open outbreak if it is time.
  void try_close();
  /// When there is something to say of the open outbreak unless something comes.
  Second looks_again_at() const;

 private:
  struct Dimension {
    const google::protobuf::RepeatedPtrField<records::Recent>& newest;
    std::uint32_t threshold;
  };

  std::vector<Dimension> dimensions() const;
  std::string_view rule_key() const;
  Nanos window() const;
  Second quiet_from() const;
  Second closes_at() const;
  void note_member(const records::Contribution& newest,
                   const std::optional<records::Judged>& judged);
  OutbreakContent fold_members();
  bool follow_start(const Joined& joined, bool belonged, bool counts);
  bool has_more_places() const;
  std::string_view reason_to_say(const OutbreakContent& content) const;
  void publish(const OutbreakContent& content, std::string_view reason,
               std::string_view closed_because);

  const std::string& key_;
  records::Group& group_;
  Second now_;
  const OutbreakConfig& config_;
  const Producer& producer_;
  state::Transaction& state_;
  std::int64_t& open_;
  std::vector<schemas::Report>& reports_;
};

}  // namespace gyre::stages
