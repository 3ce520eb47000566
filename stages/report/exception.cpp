// SPDX-License-Identifier: Apache-2.0
#include "stages/report/exception.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "schemas/identity.h"
#include "stages/report/falco_yaml.h"
#include "stages/report/playbook_falco_rules.h"

namespace gyre::stages {

namespace {

constexpr std::string_view kImage = "container.image.repository";
constexpr std::size_t kMostValues = 4;
constexpr std::size_t kLongestValue = 200;
constexpr std::size_t kShortestPrefix = 24;

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

struct Part {
  std::string field;
  std::string comp;
  std::vector<std::string> values;  // of the filter language
};

// Falco replaces a word by the list of that name, and reads a field's name as the field.
bool has_reserved_word(std::string_view value) {
  static const RE2 list_name(
      R"((^|[\s(),=])[a-z0-9]+(_[a-z0-9]+)*_(binaries|images|containers|procs|processes|files|dirs|directories|namespaces|users|ports|domains|list|names|shells|programs|commands|packages|hosts|ips|ipaddrs|networks|paths|cmdlines|activities|conditions)($|[\s(),=]))");
  static const RE2 field_name(
      R"(^(evt|proc|fd|user|group|container|k8s|ka|ct|thread|jevt|syslog)\.[a-z_.\[\]0-9]+$)");
  return RE2::PartialMatch(piece(value), list_name) || RE2::PartialMatch(piece(value), field_name);
}

// The value as the filter language takes it; nothing if it cannot be said without doubt.
std::optional<std::string> filter_value(std::string_view value) {
  static const RE2 bare(R"([A-Za-z0-9_./:@+-]+)");
  if (value.empty() || value.size() > kLongestValue || value == "<NA>" || value == "N/A")
    return std::nullopt;
  if (schemas::printable(value) != value || value.find_first_of("\"\\") != std::string_view::npos ||
      value.find("<redacted>") != std::string_view::npos ||
      value.find("…") != std::string_view::npos || has_reserved_word(value)) {
    return std::nullopt;
  }
  if (RE2::FullMatch(piece(value), bare)) return std::string(value);
  return fmt::format("\"{}\"", value);
}

std::string common_prefix(const std::vector<std::string_view>& values) {
  std::string_view prefix = values.front();
  for (const std::string_view value : values) {
    const auto end = std::mismatch(prefix.begin(), prefix.end(), value.begin(), value.end()).first;
    prefix = prefix.substr(0, static_cast<std::size_t>(end - prefix.begin()));
  }
  while (!prefix.empty() && (static_cast<unsigned char>(prefix.back()) & 0x80U) != 0)
    prefix.remove_suffix(1);
  return std::string(prefix);
}

// Docker Hub's images are written with and without its name.
std::vector<std::string> spellings(std::string_view image) {
  constexpr std::string_view kHub = "docker.io/";
  if (image.starts_with(kHub)) return {std::string(image), std::string(image.substr(kHub.size()))};
  const std::string_view first = image.substr(0, image.find('/'));
  const bool registry = first != image && first.find_first_of(".:") != std::string_view::npos;
  if (registry) return {std::string(image)};
  return {std::string(image), std::string(kHub) + std::string(image)};
}

std::optional<Part> image_part(const Facts& facts) {
  Part part{std::string(kImage), "in", {}};
  if (facts.capped(kImage)) return std::nullopt;
  for (const std::string_view image : facts.values(kImage)) {
    for (const std::string& spelling : spellings(image)) {
      const auto value = filter_value(spelling);
      if (!value) return std::nullopt;
      part.values.push_back(*value);
    }
  }
  std::sort(part.values.begin(), part.values.end());
  part.values.erase(std::unique(part.values.begin(), part.values.end()), part.values.end());
  return part.values.empty() ? std::nullopt : std::optional(part);
}

bool is_refused(const playbook::Exception& exception, std::string_view value) {
  return std::any_of(
      exception.never().begin(), exception.never().end(),
      [&](const std::string& text) { return value.find(text) != std::string::npos; });
}

std::optional<Part> field_part(const playbook::Exception& exception, const std::string& field,
                               const Facts& facts) {
  const auto values = facts.values(field);
  if (values.empty()) return std::nullopt;
  Part part{field, values.size() == 1 ? "=" : "in", {}};
  if (facts.capped(field) || values.size() > kMostValues) {
    const std::string prefix = common_prefix(values);
    if (prefix.size() < kShortestPrefix) return std::nullopt;
    part.comp = "startswith";
    if (const auto value = filter_value(prefix)) part.values.push_back(*value);
  } else {
    for (const std::string_view value : values) {
      if (is_refused(exception, value)) return std::nullopt;
      if (const auto filtered = filter_value(value)) part.values.push_back(*filtered);
    }
    if (part.values.size() != values.size()) return std::nullopt;
  }
  return part.values.empty() ? std::nullopt : std::optional(part);
}

bool any_refused(const playbook::Exception& exception, const Facts& facts) {
  for (const std::string& field : exception.fields()) {
    for (const std::string_view value : facts.values(field))
      if (is_refused(exception, value)) return true;
  }
  return false;
}

std::string tuple_of(const std::vector<Part>& parts) {
  std::vector<std::string> written;
  for (const Part& part : parts) {
    std::vector<std::string> values;
    for (const std::string& value : part.values) values.push_back(yaml_quoted(value));
    const std::string joined = fmt::format("{}", fmt::join(values, ", "));
    written.push_back(part.comp == "in" ? "[" + joined + "]" : joined);
  }
  return fmt::format("[{}]", fmt::join(written, ", "));
}

std::string new_exception(const std::string& rule, const std::string& name,
                          const std::vector<Part>& parts) {
  std::vector<std::string> fields;
  std::vector<std::string> comps;
  for (const Part& part : parts) {
    fields.push_back(part.field.find('[') == std::string::npos ? part.field
                                                               : yaml_quoted(part.field));
    comps.push_back("\"" + part.comp + "\"");
  }
  return fmt::format(
      "- required_engine_version: 0.31.0\n- rule: {}\n  exceptions:\n    - name: {}\n"
      "      fields: [{}]\n      comps: [{}]\n      values:\n        - {}\n"
      "  override:\n    exceptions: append\n",
      yaml_quoted(rule), name, fmt::join(fields, ", "), fmt::join(comps, ", "), tuple_of(parts));
}

// For an exception that the rule has: its fields, in its order, one value each.
std::optional<std::string> known_exception(const playbook::Exception& exception,
                                           const std::string& rule, const Facts& facts) {
  std::vector<Part> parts;
  for (const std::string& field : exception.fields()) {
    const auto value = filter_value(facts.single(field));
    if (!value) return std::nullopt;
    parts.push_back({field, "=", {*value}});
  }
  return fmt::format(
      "- required_engine_version: 0.31.0\n- rule: {}\n  exceptions:\n    - name: {}\n"
      "      values:\n        - {}\n  override:\n    exceptions: append\n",
      yaml_quoted(rule), yaml_quoted(exception.known()), tuple_of(parts));
}

}  // namespace

std::optional<std::string> falco_exception(const playbook::Playbook& playbook,
                                           const records::Series& series, const Facts& facts) {
  const playbook::Exception& exception = playbook.exception();
  const std::string& rule = series.rule();
  if (exception.fields().empty() || any_refused(exception, facts)) return std::nullopt;
  // What an overflow finding holds is many patterns, of which it shows a few.
  if (schemas::printable(rule) != rule || series.overflow()) return std::nullopt;
  std::string snippet;
  if (!exception.known().empty()) {
    const auto known = known_exception(exception, rule, facts);
    if (!known) return std::nullopt;
    snippet = *known;
  } else {
    std::vector<Part> parts;
    if (series.entity().kind() == records::Entity::CONTAINER) {
      const auto image = image_part(facts);
      if (!image) return std::nullopt;
      parts.push_back(*image);
    }
    for (const std::string& field : exception.fields()) {
      if (field == kImage) continue;
      if (auto part = field_part(exception, field, facts)) parts.push_back(std::move(*part));
    }
    if (parts.size() < 2) return std::nullopt;
    const std::string name =
        "gyre_" + to_hex(view(schemas::shape_key(series.rule(), series.shape()))).substr(0, 12);
    snippet = new_exception(rule, name, parts);
  }
  if (!wrong_in_falco_rules(snippet).empty()) return std::nullopt;
  return snippet;
}

}  // namespace gyre::stages
