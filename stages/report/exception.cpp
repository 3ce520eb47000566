// SPDX-License-Identifier: Apache-2.0
#include "stages/report/exception.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "schemas/address.h"
#include "schemas/identity.h"
#include "schemas/normalise.h"
#include "schemas/printable.h"
#include "stages/report/falco_yaml.h"
#include "stages/report/field_scope.h"
#include "stages/report/playbook_falco_rules.h"
#include "stages/report/seen.h"

namespace gyre::stages {

namespace {

constexpr std::string_view kImage = "container.image.repository";
constexpr std::size_t kMostValues = 4;
constexpr std::size_t kLongestValue = 200;
constexpr std::size_t kShortestPrefix = 24;
constexpr std::size_t kShortestName = 4;

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

bool is_object_name(std::string_view field) {
  return field == "k8s.pod.name" || field == "ka.target.name" || field == "ka.resp.name";
}

// May what follows a front of it be anything? Not in a command line, where it is another command,
// nor in a path as somebody wrote it, where it leads elsewhere.
bool may_be_a_front(std::string_view field) {
  return is_object_name(field) || field == "proc.exepath" || field == "proc.pexepath" ||
         field == "fd.name" || field == "fd.directory";
}

// What of a value comes again: all of it, or what stands before its first random part; empty where
// nothing does. The ends of a connection never come again together.
std::string_view lasting(std::string_view field, std::string_view value) {
  // A pod's name without what its controller drew: letters and digits that make no word.
  static const RE2 pod(
      "([-.a-z0-9]*-)(?:(?:[bcdfghjklmnpqrstvwxz2456789]{6,10}|[0-9]{8,10})-)?"
      "[bcdfghjklmnpqrstvwxz2456789]{5}");
  if (value.find("->") != std::string_view::npos) return {};
  // An address, an ARN or a service's own name is the same each time, however it looks.
  if (!field.starts_with("proc.") && !field.starts_with("evt.") && !field.starts_with("fd.") &&
      !is_object_name(field)) {
    return value;
  }
  if (schemas::address_length(value) == value.size()) return value;
  if (is_object_name(field)) {
    re2::StringPiece owner;
    // The shortest owner: what could be a drawn part is taken for one.
    if (RE2::FullMatch(piece(value), pod, &owner)) {
      std::string_view front = value.substr(0, owner.size());
      static const RE2 drawn("(.*-)(?:[bcdfghjklmnpqrstvwxz2456789]{6,10}|[0-9]{8,10})-");
      re2::StringPiece shorter;
      if (RE2::FullMatch(piece(front), drawn, &shorter)) front = front.substr(0, shorter.size());
      return front;
    }
  }
  const std::string normal = schemas::normalise(value);
  const auto end = std::mismatch(value.begin(), value.end(), normal.begin(), normal.end()).first;
  return value.substr(0, static_cast<std::size_t>(end - value.begin()));
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

// Where the exception holds: an image in its namespace, a host by name; nothing where that is not
// known.
std::optional<std::vector<Part>> place_of(const records::Entity& entity, const Facts& facts) {
  std::vector<Part> parts;
  if (entity.container_unknown()) return std::nullopt;
  if (entity.kind() == records::Entity::CONTAINER) {
    auto image = image_part(facts);
    if (!image) return std::nullopt;
    parts.push_back(std::move(*image));
    if (facts.has("k8s.ns.name")) {
      const std::string_view space = facts.single("k8s.ns.name");
      const auto value = filter_value(space);
      if (!value || space == "kube-system") return std::nullopt;
      parts.push_back({"k8s.ns.name", "=", {*value}});
    }
  } else if (entity.kind() == records::Entity::HOST) {
    const auto host = filter_value(entity.hostname());
    if (!host) return std::nullopt;
    parts.push_back({"evt.hostname", "=", {*host}});
  }
  return parts;
}

bool is_refused(const playbook::Exception& exception, std::string_view value) {
  return std::any_of(
      exception.never().begin(), exception.never().end(),
      [&](const std::string& text) { return value.find(text) != std::string::npos; });
}

// Nothing where the filter language cannot say what the alerts hold.
std::optional<Part> field_part(const std::string& field, const Facts& facts) {
  const auto values = facts.values(field);
  std::vector<std::string_view> fronts;
  bool whole = !facts.capped(field) && values.size() <= kMostValues;
  for (const std::string_view value : values) {
    fronts.push_back(lasting(field, value));
    whole = whole && fronts.back().size() == value.size();
  }
  const bool list = is_list_field(field);
  Part part{field, values.size() == 1 && !list ? "=" : "in", {}};
  if (!whole) {
    // A name is short, and so is what is left of it; the other fields hold it in its place.
    const std::string prefix = common_prefix(fronts);
    const bool name = is_object_name(field) && prefix.ends_with('-');
    if (!may_be_a_front(field) || prefix.size() < (name ? kShortestName : kShortestPrefix))
      return std::nullopt;
    part.comp = "startswith";
    if (const auto value = filter_value(prefix)) part.values.push_back(*value);
    return part.values.empty() ? std::nullopt : std::optional(part);
  }
  for (const std::string_view value : values) {
    // A list in one text, as Falco prints it: none of its elements is that text.
    if (list && value.starts_with('(')) return std::nullopt;
    if (const auto filtered = filter_value(value)) part.values.push_back(*filtered);
  }
  return part.values.size() == values.size() ? std::optional(part) : std::nullopt;
}

// Does the command line say what the program was to do? Its name does not, nor do bare options:
// `bash -l` does whatever is typed.
bool has_arguments(std::string_view cmdline) {
  for (std::size_t at = cmdline.find(' '); at != std::string_view::npos;
       at = cmdline.find(' ', at + 1)) {
    const std::string_view word = cmdline.substr(at + 1, cmdline.find(' ', at + 1) - at - 1);
    if (!word.empty() && (word.front() != '-' || word.find('=') != std::string_view::npos))
      return true;
  }
  return false;
}

// A name or a user is everything that it does.
bool narrows(const Part& part) {
  if (is_too_wide(part.field)) return false;
  if (part.field != "proc.cmdline" && part.field != "proc.pcmdline") return true;
  return std::all_of(part.values.begin(), part.values.end(), has_arguments);
}

// Falco's field holds the first word of a session's command. An exception by it holds whatever
// follows that word: of a shell everything, of any other program more than was looked at.
bool is_first_word_only(const Facts& facts) {
  static const RE2 runs_others(
      "(?:.*/)?(?:(?:ba|da|a|z|k|c|tc|fi)?sh|busybox|toybox|env|sudo|su|xargs|nsenter|chroot|"
      "unshare|timeout|nohup|setsid|python[0-9.]*|perl|ruby|node|php|lua)");
  const auto commands = session_commands(facts);
  return std::any_of(commands.begin(), commands.end(), [](const std::string& command) {
    return command.find(' ') != std::string::npos || RE2::FullMatch(command, runs_others);
  });
}

bool any_refused(const playbook::Exception& exception, const Facts& facts) {
  for (const std::string& field : exception.fields()) {
    if (field == "ka.uri.param[command]" && is_first_word_only(facts)) return true;
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

// Reading YAML costs more than the rest of a report, and a revision brings the snippet of the one
// before: what was found of a text is remembered.
bool loads(const std::string& snippet) {
  constexpr std::size_t kRemembered = 1024;
  thread_local std::map<Id128, bool> remembered;
  const Id128 text = IdHasher().add(snippet).finish();
  const auto known = remembered.find(text);
  if (known != remembered.end()) return known->second;
  if (remembered.size() == kRemembered) remembered.clear();
  return remembered[text] = wrong_in_falco_rules(snippet).empty();
}

}  // namespace

std::optional<std::string> falco_exception(const playbook::Playbook& playbook,
                                           const records::Series& series, const Facts& facts) {
  const playbook::Exception& exception = playbook.exception();
  const std::string& rule = series.rule();
  if (exception.fields().empty() || any_refused(exception, facts)) return std::nullopt;
  if (!missing_for_exception(playbook, series, facts).empty()) return std::nullopt;
  // What an overflow finding holds is many patterns, of which it shows a few.
  if (schemas::printable(rule) != rule || series.overflow()) return std::nullopt;
  std::string snippet;
  if (!exception.known().empty()) {
    const auto known = known_exception(exception, rule, facts);
    if (!known) return std::nullopt;
    snippet = *known;
  } else {
    auto parts = place_of(series.entity(), facts);
    if (!parts) return std::nullopt;
    std::size_t narrowing = 0;
    for (const std::string& field : exception.fields()) {
      if (field == kImage || field == "k8s.ns.name" || !facts.has(field)) continue;
      auto part = field_part(field, facts);
      // Without it the exception would hold what nobody looked at: whoever writes a value decides
      // whether it can be said.
      if (!part) return std::nullopt;
      if (narrows(*part)) ++narrowing;
      parts->push_back(std::move(*part));
    }
    // In a container the image narrows as well.
    const bool container = series.entity().kind() == records::Entity::CONTAINER;
    if (narrowing < (container ? 1U : 2U)) return std::nullopt;
    const std::string name =
        "gyre_" + to_hex(view(schemas::shape_key(series.rule(), series.shape()))).substr(0, 12);
    snippet = new_exception(rule, name, *parts);
  }
  if (!loads(snippet)) return std::nullopt;
  return snippet;
}

std::vector<std::string> missing_for_exception(const playbook::Playbook& playbook,
                                               const records::Series& series, const Facts& facts) {
  std::vector<std::string> missing;
  const auto& fields = playbook.exception().fields();
  std::copy_if(
      fields.begin(), fields.end(), std::back_inserter(missing), [&](const std::string& field) {
        return field != "k8s.ns.name" && !facts.has(field) && can_hold(series, facts, field);
      });
  return missing;
}

}  // namespace gyre::stages
