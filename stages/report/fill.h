// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Commands with values of an alert in them: `stat {fd.name}`. A value goes in bare only if the
// whole of it is of a form that no shell reads as anything but a word; any other is single-quoted,
// where a shell reads nothing at all. A value that could be an option, holds invisible characters,
// was cut, or is a command line (nothing an alert says is ever run) keeps its command out of the
// report. So does a path below /dev, /proc or /sys where the command would open it, an address that
// a host cannot refuse without harm to itself, and an account that is not the customer's to switch
// off.
namespace gyre::stages {

/// May `{name}` stand in a command? Falco fields, and `node`, `since`, `until` (RFC 3339, bare),
/// `since_utc`, `until_utc` (`2026-03-02 09:00:00 UTC`, quoted); for names of files `report`, the
/// first eight digits of the report's id, and `value`, eight digits of the line's own values.
bool is_placeholder(std::string_view name);

/// Does its value need no quotes? Only such ones may stand in a snippet.
bool is_bare(std::string_view name);

/// The value as a word of a shell; nothing if it must not go into a command.
std::optional<std::string> shell_word(std::string_view name, std::string_view value);

/// The names between braces: `{container.id}`. `{{.Image}}` of Go's templates is none.
std::vector<std::string> placeholders(std::string_view text);

/// What is wrong with the placeholders of a command, or of a snippet: unknown ones, and ones whose
/// quotes would be taken apart by quotes around them.
std::vector<std::string> wrong_placeholders(std::string_view text, bool snippet);

/// The values of a placeholder: none where the alerts don't say it.
using ValuesOf = std::function<std::vector<std::string>(std::string_view name)>;

/// The text once for each value of its placeholders that may stand there, at most `limit` times;
/// once if it has none. Empty when a placeholder has no such value.
std::vector<std::string> fill(std::string_view text, const ValuesOf& values_of, std::size_t limit);

}  // namespace gyre::stages
