// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "pipeline/phenomena.h"

namespace gyre::pipeline {

/// Numbers of a seed: the same on every machine and library, which std::*_distribution are not.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t next() { return engine_(); }
  /// Below `bound`, which is not 0. The bias of the remainder is below 2^-32 for the bounds used
  /// here.
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }

 private:
  std::mt19937_64 engine_;
};

/// One alert's rule, for the ground truth.
struct Emitted {
  std::string_view rule;
  bool heartbeat = false;
};

/// A seeded fleet: machines, the containers on them, and the alerts their sensors raise, as
/// falcosidekick writes them.
class Fleet {
 public:
  static constexpr std::size_t kUuidOffset = 9;  ///< of the 36 characters in a written alert
  static constexpr std::size_t kUuidSize = 36;

  Fleet(std::uint64_t seed, std::uint32_t hosts);

  /// Write the alert of that time into `out` (cleared first). `index` of `count` places it in the
  /// profile's story.
  Emitted mixed(std::uint64_t index, std::uint64_t count, Nanos time, std::string& out);
  Emitted flood(Nanos time, std::string& out);
  Emitted attack(std::uint64_t index, std::uint64_t count, Nanos time, std::string& out);

  /// A fresh uuid over the old one: the same alert, sent once more.
  void renew_uuid(std::string& alert);

 private:
  struct Container {
    std::string id, name, image, tag, ns, pod, ip;  ///< ns and pod empty outside Kubernetes
    std::string host;
  };
  /// A phenomenon's JSON, cut where something varies.
  struct Piece {
    std::string text;  ///< before the slot
    char slot = 0;     ///< 0: none; the last piece
  };
  struct Template {
    std::string_view rule;
    std::vector<Piece> pieces;
  };
  /// What varies from one alert to the next; the same value wherever its placeholder stands.
  struct Draw {
    std::array<char, 6> suffix;  ///< $r
    std::array<char, 9> digits;  ///< $d
    std::array<char, 5> port;    ///< $p
    std::array<char, 20> nanos;  ///< $t: since the epoch
    std::size_t nanos_size = 0;
  };

  static Template compile(const Phenomenon& phenomenon);
  static Template compile_heartbeat();
  static Template compile_drops();
  void build_hosts(std::uint32_t hosts);
  Container make_container(std::size_t host, std::size_t workload, bool kubernetes);
  void write_uuid(char* to);
  void draw(Nanos time);
  void append_clock(Nanos time, std::string& out);
  void append_slot(char slot, const Container& where, Nanos time, std::string& out);
  Emitted write(const Template& what, const Container& where, Nanos time, std::string& out);

  Dice dice_;
  Dice uuids_;                       ///< apart, so that copies do not change what comes after
  std::vector<Container> machines_;  ///< a machine seen as the entity of its own alerts
  std::vector<Container> containers_;
  Container tester_;        ///< where Falco's event-generator runs
  std::size_t victim_ = 0;  ///< whose container is broken into
  std::vector<Template> daily_, machine_, test_run_, intrusion_;
  Template heartbeat_, drops_;
  std::vector<std::pair<std::size_t, std::size_t>>
      noisy_;  ///< flood's findings: container, phenomenon
  std::uint64_t test_step_ = 0;
  std::uint64_t next_machine_ = 0;
  Draw draw_{};
  Second clock_second_ = -1;
  std::array<char, 20> clock_{};  ///< `2026-01-02T03:04:05` of clock_second_
};

}  // namespace gyre::pipeline
