// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gyre::schemas {

/// A value of a well-formed JSON text, read where it stands: the text must outlive it. What is not
/// there is an empty view, of which everything is empty.
class JsonView {
 public:
  JsonView() = default;
  explicit JsonView(std::string_view json) : json_(json) {}

  bool exists() const { return !json_.empty(); }
  std::string_view json() const { return json_; }
  JsonView operator[](std::string_view key) const;
  /// Of a string; of anything else nothing.
  std::string text() const;
  /// Of an integer; of anything else 0.
  std::int64_t number() const;
  std::vector<JsonView> items() const;
  std::vector<std::pair<std::string, JsonView>> members() const;
  /// The strings of an array.
  std::vector<std::string> texts() const;

 private:
  std::string_view json_;
};

/// A report as it is published (schemas/report.schema.json), read for another encoding. The text
/// must outlive it.
class ReportView {
 public:
  explicit ReportView(std::string_view json);

  JsonView operator[](std::string_view key) const;
  std::string text(std::string_view key) const { return (*this)[key].text(); }

  /// The values of the first of these Falco fields that the evidence has.
  std::vector<std::string> values(std::initializer_list<std::string_view> names) const;
  /// Its only value. Of several nobody knows which belongs to which of another field, and whom they
  /// would name together may have done nothing: empty, as if none has it.
  std::string field(std::initializer_list<std::string_view> names) const;
  /// The same as a number of that range; none if it is no number.
  std::optional<std::int64_t> number(std::string_view field, std::int64_t low,
                                     std::int64_t high) const;
  /// The same as an IPv4 or IPv6 address, as consumers parse it; empty if it is none. Of the
  /// addresses of a request to the Kubernetes API the last, which is the one that the API server
  /// saw itself.
  std::string address(std::initializer_list<std::string_view> names) const;
  /// Those before it, as the client or a proxy told them.
  std::vector<std::string> forwarded_for() const;
  /// Falco field -> its values.
  const std::vector<std::pair<std::string, JsonView>>& fields() const { return fields_; }

  /// Falco's source (`syscall`, `k8s_audit` ...); empty where the report is not about one rule.
  std::string source() const { return detail("source"); }
  /// The rule's own tags.
  std::vector<std::string> tags() const;

 private:
  std::string detail(std::string_view field) const;
  bool is_capped(std::string_view field) const;

  std::vector<std::pair<std::string, JsonView>> members_;
  std::vector<std::pair<std::string, JsonView>> fields_;
};

/// A number for which a text is all of it.
std::optional<std::int64_t> whole_number(std::string_view text);
bool is_address(const std::string& text);

}  // namespace gyre::schemas
