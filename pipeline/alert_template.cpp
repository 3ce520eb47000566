// SPDX-License-Identifier: Apache-2.0
#include "pipeline/alert_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

#include "base/check.h"

namespace gyre::pipeline {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kAlphanumeric =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

template <std::size_t size>
void digits_of(std::uint64_t number, std::array<char, size>& out) {
  for (std::size_t i = size; i-- > 0; number /= 10) out[i] = static_cast<char>('0' + number % 10);
}

/// As Go's encoder writes a string: it escapes what could end a script element, too.
std::string json(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string json_tags(std::string_view tags) {
  std::string out = "[\"";
  for (const char c : tags) {
    if (c == ' ') {
      out += "\",\"";
    } else {
      out += c;
    }
  }
  return out + "\"]";
}

/// Placeholders: `$` and one letter. Fields that a container may lack are whole JSON values (N, P)
/// or texts (n, q).
constexpr std::string_view kSlots = "urdptTiaIcmgNPnqhs";

std::vector<std::pair<std::string, char>> cut(const std::string& text) {
  std::vector<std::pair<std::string, char>> out(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool slot =
        text[i] == '$' && i + 1 < text.size() && kSlots.find(text[i + 1]) != std::string_view::npos;
    if (!slot) {
      out.back().first += text[i];
      continue;
    }
    out.back().second = text[++i];
    out.emplace_back();
  }
  return out;
}

std::string json_of(const Phenomenon& phenomenon) {
  const RuleFacts& rule = rule_facts(phenomenon.rule);
  // Sorted by name, as falcosidekick's encoder writes a map. A later field of one name wins.
  std::map<std::string, std::string, std::less<>> fields = {
      {"container.id", "\"$i\""},
      {"container.name", "\"$c\""},
      {"container.start_ts", "$s"},
      {"container.image.repository", "\"$m\""},
      {"container.image.tag", "\"$g\""},
      {"evt.time", "$t"},
      {"k8s.ns.name", "$N"},
      {"k8s.pod.name", "$P"},
      {"proc.tty", "0"},
      {"user.name", "\"root\""},
      {"user.uid", "0"},
      {"user.loginuid", "-1"},
  };
  std::map<std::string, std::string, std::less<>> texts = {{"user.name", "root"}};
  for (const auto& field : phenomenon.fields) {
    const std::string value = field.value;
    fields[std::string(field.name)] = field.number ? value : json(value);
    texts[std::string(field.name)] = value;
  }
  std::string output = fmt::format("$T: {} {} |", rule.priority, phenomenon.text);
  for (const auto& [name, value] : texts) {
    std::string label = name;
    std::replace(label.begin(), label.end(), '.', '_');
    output += fmt::format(" {}={}", label, value);
  }
  output = json(output);
  output.pop_back();
  output +=
      " container_id=$i container_name=$c container_image_repository=$m "
      "container_image_tag=$g k8s_pod_name=$q k8s_ns_name=$n\"";

  std::string text = fmt::format(
      R"({{"uuid":"$u","output":{},"priority":"{}","rule":{},"time":"$I","output_fields":{{)",
      output, rule.priority, json(rule.name));
  for (const auto& [name, value] : fields) {
    text += fmt::format("{}\"{}\":{}", text.ends_with('{') ? "" : ",", name, value);
  }
  text += fmt::format(R"(}},"source":"syscall","tags":{},"hostname":"$h"}})", json_tags(rule.tags));
  return text;
}

}  // namespace

AlertTemplate::AlertTemplate(std::string_view rule, bool heartbeat, const std::string& text)
    : rule_(rule), heartbeat_(heartbeat) {
  for (auto& [literal, slot] : cut(text)) pieces_.push_back({std::move(literal), slot});
}

AlertTemplate::AlertTemplate(const Phenomenon& phenomenon)
    : AlertTemplate(rule_facts(phenomenon.rule).name, false, json_of(phenomenon)) {}

AlertTemplate AlertTemplate::heartbeat() {
  return {"Falco internal: metrics snapshot", true,
          R"({"uuid":"$u","output":"$T: Informational Falco metrics snapshot",)"
          R"("priority":"Informational","rule":"Falco internal: metrics snapshot","time":"$I",)"
          R"("output_fields":{"evt.hostname":"$h","evt.source":"syscall","evt.time":$t,)"
          R"("falco.evts_rate_sec":812.5,"falco.host_num_cpus":8,"falco.num_evts":$d,)"
          R"("falco.outputs_queue_num_drops":0,"falco.version":"0.44.1",)"
          R"("scap.engine_name":"modern_bpf","scap.n_drops":0,"scap.n_drops_perc":0.0},)"
          R"("source":"internal","hostname":"$h"})"};
}

AlertTemplate AlertTemplate::drops() {
  return {"Falco internal: syscall event drop", false,
          R"({"uuid":"$u","output":"$T: Debug Falco internal: syscall event drop. )"
          R"(Events were lost in the last second.","priority":"Debug",)"
          R"("rule":"Falco internal: syscall event drop","time":"$I",)"
          R"("output_fields":{"ebpf_enabled":"1","evt.time":$t,"n_drops":"$p",)"
          R"("n_drops_buffer_total":"$p","n_drops_bug":"0","n_evts":"$d"},)"
          R"("source":"internal","hostname":"$h"})"};
}

void AlertWriter::write_uuid(char* to) {
  std::uint64_t high = uuids_.next();
  std::uint64_t low = uuids_.next();
  high = (high & ~std::uint64_t{0xf000}) | 0x4000;
  low = (low & ~(std::uint64_t{3} << 62)) | (std::uint64_t{2} << 62);
  std::size_t at = 0;
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) to[at++] = '-';
    const std::uint64_t half = nibble < 16 ? high : low;
    to[at++] = kHex[half >> (60 - 4 * (nibble % 16)) & 15];
  }
}

void AlertWriter::renew_uuid(std::string& alert) {
  CHECK(alert.size() > kUuidOffset + kUuidSize);
  write_uuid(alert.data() + kUuidOffset);
}

void AlertWriter::draw(Nanos time) {
  std::uint64_t number = dice_.next();
  for (char& c : draw_.suffix) {
    c = kAlphanumeric[number % kAlphanumeric.size()];
    number /= kAlphanumeric.size();
  }
  number = dice_.next();
  digits_of(100'000'000 + (number >> 32) % 900'000'000, draw_.digits);
  digits_of(32'768 + (number & 0xffff'ffffU) % 28'232, draw_.port);  // Linux's ephemeral ports
  const auto end = std::to_chars(draw_.nanos.data(), draw_.nanos.data() + draw_.nanos.size(), time);
  draw_.nanos_size = static_cast<std::size_t>(end.ptr - draw_.nanos.data());
}

void AlertWriter::append_clock(Nanos time, std::string& out) {
  const Second second = second_of(time);
  if (second != clock_second_) {
    clock_second_ = second;
    const std::string text = format_rfc3339_second(second);
    std::copy_n(text.begin(), 19, clock_.begin());
  }
  out.append(clock_.data(), 19);
}

void AlertWriter::append_slot(char slot, const Container& where, Nanos time, std::string& out) {
  std::array<char, 9> fraction{};
  switch (slot) {
    case 'u':
      out.resize(out.size() + kUuidSize);
      write_uuid(out.data() + out.size() - kUuidSize);
      return;
    case 'r':
      out.append(draw_.suffix.data(), draw_.suffix.size());
      return;
    case 'd':
      out.append(draw_.digits.data(), draw_.digits.size());
      return;
    case 'p':
      out.append(draw_.port.data(), draw_.port.size());
      return;
    case 't':
      out.append(draw_.nanos.data(), draw_.nanos_size);
      return;
    case 'T':  // the sensor's clock without a date
    case 'I': {
      const std::size_t from = out.size();
      append_clock(time, out);
      if (slot == 'T') out.erase(from, 11);
      digits_of(static_cast<std::uint64_t>(time - clock_second_ * kNanosPerSecond), fraction);
      std::size_t size = fraction.size();
      // Go leaves trailing zeros of `time` out; `output` is the sensor's and has nine digits.
      while (slot == 'I' && size > 0 && fraction[size - 1] == '0') --size;
      if (size > 0) (out += '.').append(fraction.data(), size);
      if (slot == 'I') out += 'Z';
      return;
    }
    case 'i':
      out += where.id;
      return;
    case 'a':
      out += where.ip;
      return;
    case 'c':
      out += where.name;
      return;
    case 'm':
      out += where.image;
      return;
    case 'g':
      out += where.tag;
      return;
    case 'N':
      where.ns.empty() ? out += "null" : ((out += '"') += where.ns) += '"';
      return;
    case 'P':
      where.pod.empty() ? out += "null" : ((out += '"') += where.pod) += '"';
      return;
    case 'n':
      out += where.ns.empty() ? "\\u003cNA\\u003e" : where.ns;
      return;
    case 'q':
      out += where.pod.empty() ? "\\u003cNA\\u003e" : where.pod;
      return;
    case 'h':
      out += where.host;
      return;
    case 's':
      out += where.started == 0 ? "null" : std::to_string(where.started);
      return;
    default:
      CHECK(slot == 0);
  }
}

Emitted AlertWriter::write(const AlertTemplate& what, const Container& where, Nanos time,
                           std::string& out) {
  draw(time);
  out.clear();
  for (const auto& piece : what.pieces_) {
    out += piece.text;
    if (piece.slot != 0) append_slot(piece.slot, where, time, out);
  }
  return {.rule = what.rule_, .heartbeat = what.heartbeat_};
}

}  // namespace gyre::pipeline
