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

/// Where an alert comes from: a container, or a machine seen as the entity of its own alerts.
struct Container {
  std::string id, name, image, tag, ns, pod, ip;  ///< ns and pod empty outside Kubernetes
  std::string host;
  Nanos started = 0;  ///< `container.start_ts`; 0: Falco was not told to write it
};

/// One alert's rule, for the ground truth.
struct Emitted {
  std::string_view rule;
  bool heartbeat = false;
};

/// A phenomenon as falcosidekick writes it, cut where something varies.
class AlertTemplate {
 public:
  explicit AlertTemplate(const Phenomenon& phenomenon);
  static AlertTemplate heartbeat();  ///< Falco's metrics snapshot
  static AlertTemplate drops();      ///< Falco's word on lost system calls

 private:
  friend class AlertWriter;
  struct Piece {
    std::string text;  ///< before the slot
    char slot = 0;     ///< 0: none; the last piece
  };
  AlertTemplate(std::string_view rule, bool heartbeat, const std::string& text);

  std::string_view rule_;
  bool heartbeat_ = false;
  std::vector<Piece> pieces_;
};

/// Fills templates. What varies is drawn from the dice.
class AlertWriter {
 public:
  static constexpr std::size_t kUuidOffset = 9;  ///< of the 36 characters in a written alert
  static constexpr std::size_t kUuidSize = 36;

  AlertWriter(Dice& dice, std::uint64_t seed) : dice_(dice), uuids_(seed) {}

  /// The alert of that time, into `out` (cleared first).
  Emitted write(const AlertTemplate& what, const Container& where, Nanos time, std::string& out);
  /// A fresh uuid over the old one: the same alert, sent once more.
  void renew_uuid(std::string& alert);

 private:
  /// What varies from one alert to the next; the same value wherever its placeholder stands.
  struct Draw {
    std::array<char, 6> suffix;  ///< $r
    std::array<char, 9> digits;  ///< $d
    std::array<char, 5> port;    ///< $p
    std::array<char, 20> nanos;  ///< $t: since the epoch
    std::size_t nanos_size = 0;
  };

  void draw(Nanos time);
  void write_uuid(char* to);
  void append_clock(Nanos time, std::string& out);
  void append_slot(char slot, const Container& where, Nanos time, std::string& out);

  Dice& dice_;
  Dice uuids_;  ///< apart, so that copies do not change what comes after
  Draw draw_{};
  Second clock_second_ = -1;
  std::array<char, 20> clock_{};  ///< `2026-01-02T03:04:05` of clock_second_
};

}  // namespace gyre::pipeline
