// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

/// What of librdkafka's configuration is the user's, and whether librdkafka takes it.
namespace gyre::pipeline {

struct Config;
struct KafkaClient;

/// The one name of a property, however it is spelled: librdkafka strips `topic.` and knows aliases
/// (its CONFIGURATION.md, 2.0.2).
std::string property_name(std::string_view spelled);

/// By their names: the properties that the engine owns, each with the reason. The config refuses
/// them.
const std::map<std::string, std::string>& owned_properties();

/// Whether the value of a property is nobody's business, by its name.
bool is_secret(const std::string& property);

/// Stands for a secret where a configuration is printed.
inline constexpr std::string_view kMasked = "****";

/// What speaks against a property of the user's, to be read after its name; none: nothing.
std::optional<std::string> property_problem(const std::string& name, const std::string& value,
                                            bool may_quote_value);

/// The same for one whose value is not known yet.
std::optional<std::string> property_name_problem(const std::string& name);

/// How to reach the brokers of a configuration: reads the files that hold values of properties, of
/// which a line break at the end is none. Throws ConfigError if one cannot be read, or if a secret
/// is masked.
KafkaClient kafka_client(const Config& config);

/// Throws ConfigError if no consumer or no producer can be made with the client's properties, as
/// where two values exclude each other or a certificate cannot be read. Reaches no broker.
void check_properties(const KafkaClient& client);

}  // namespace gyre::pipeline
