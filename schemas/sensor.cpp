// SPDX-License-Identifier: Apache-2.0
#include "schemas/sensor.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <tuple>

#include "schemas/identity.h"

namespace gyre::schemas {

namespace {

// Falco writes these as decimal text, some shippers as numbers; anything else says nothing.
std::optional<std::uint64_t> count_in(const Alert& alert, std::string_view field) {
  const std::string_view text = alert.field(field);
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const bool whole = rest.empty() || (rest.front() == '.' &&
                                      rest.find_first_not_of('0', 1) == std::string_view::npos);
  return whole ? std::optional(count) : std::nullopt;
}

// More than nothing: any digit but 0 in a number like `0.0` or `1.25`.
bool is_positive(std::string_view number) {
  return !number.empty() && number.front() != '-' &&
         number.substr(0, number.find_first_of("eE")).find_first_of("123456789") !=
             std::string_view::npos;
}

records::Loss loss(Nanos time, std::uint64_t dropped, std::uint64_t events) {
  records::Loss loss;
  loss.set_time(time);
  // More than any host has seen; thousandths of it still fit.
  constexpr std::uint64_t kMost = 1'000'000'000'000'000;
  loss.set_dropped(std::min(dropped, kMost));
  loss.set_events(std::min(events, kMost));
  return loss;
}

std::optional<records::Loss> loss_of_snapshot(const Alert& alert) {
  const auto dropped = count_in(alert, "scap.n_drops");
  const auto dropped_before = count_in(alert, "scap.n_drops_prev");
  if (!dropped || !dropped_before) {
    if (!is_positive(alert.field("scap.n_drops_perc"))) return std::nullopt;
    return loss(alert.time, 0, 0);
  }
  if (*dropped <= *dropped_before) return std::nullopt;
  const std::uint64_t events = count_in(alert, "scap.n_evts").value_or(0);
  const std::uint64_t before = count_in(alert, "scap.n_evts_prev").value_or(0);
  return loss(alert.time, *dropped - *dropped_before, events > before ? events - before : 0);
}

auto badness(const records::Loss& loss) {
  return std::tuple(share_of(loss).value_or(0), loss.dropped(), loss.events(), !loss.silent(),
                    -loss.time());
}

}  // namespace

std::optional<records::Loss> loss_of(const Alert& alert) {
  if (!is_sensor_health(alert)) return std::nullopt;
  if (alert.rule == "Falco internal: metrics snapshot") return loss_of_snapshot(alert);
  if (alert.rule == "Falco internal: syscall event drop")
    return loss(alert.time, count_in(alert, "n_drops").value_or(0),
                count_in(alert, "n_evts").value_or(0));
  if (alert.rule != "Falco internal: timeouts notification") return std::nullopt;
  records::Loss silence = loss(alert.time, 0, 0);
  silence.set_silent(true);
  return silence;
}

std::optional<std::uint32_t> share_of(const records::Loss& loss) {
  if (loss.dropped() == 0 || loss.events() < loss.dropped()) return std::nullopt;
  // Rounded up: what lost something never shows as 0.
  return static_cast<std::uint32_t>((loss.dropped() * 1000 + loss.events() - 1) / loss.events());
}

void merge(records::Loss& into, const records::Loss& from) {
  if (badness(from) > badness(into)) into = from;
}

}  // namespace gyre::schemas
