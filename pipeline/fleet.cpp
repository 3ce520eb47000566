// SPDX-License-Identifier: Apache-2.0
#include "pipeline/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/check.h"

namespace gyre::pipeline {

namespace {

struct Workload {
  std::string_view name, ns, image, tag;
};
constexpr std::array kWorkloads = {
    Workload{"checkout", "shop", "registry.example.net/shop/checkout", "4.12.0"},
    Workload{"cart", "shop", "registry.example.net/shop/cart", "2.8.1"},
    Workload{"storefront", "shop", "registry.example.net/shop/storefront", "9.0.3"},
    Workload{"orders-db", "data", "docker.io/library/postgres", "16.4"},
    Workload{"sessions", "data", "docker.io/library/redis", "7.4"},
    Workload{"search", "data", "registry.example.net/data/search", "1.30.2"},
    Workload{"ingress", "edge", "docker.io/library/nginx", "1.27"},
    Workload{"cert-manager", "platform", "quay.io/jetstack/cert-manager-controller", "v1.15.3"},
    Workload{"log-shipper", "platform", "docker.io/fluent/fluent-bit", "3.1.7"},
    Workload{"node-network", "platform", "docker.io/calico/node", "v3.28.1"},
    Workload{"ci-runner", "build", "registry.example.net/build/runner", "17.3"},
    Workload{"billing", "finance", "registry.example.net/finance/billing", "5.2.0"},
};
/// Of each machine's containers, one workload instance each.
constexpr std::size_t kContainersPerHost = kWorkloads.size();
/// Every so many machines runs plain Docker, without namespaces and pods.
constexpr std::size_t kDockerEvery = 10;
constexpr std::size_t kFloodFindings = 200;
constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kAlphanumeric =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kPodLetters =
    "bcdfghjklmnpqrstvwxz2456789";  // what Kubernetes draws from

template <std::size_t size>
void digits_of(std::uint64_t number, std::array<char, size>& out) {
  for (std::size_t i = size; i-- > 0; number /= 10) out[i] = static_cast<char>('0' + number % 10);
}

std::string letters(Dice& dice, std::string_view alphabet, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += alphabet[dice.below(alphabet.size())];
  return out;
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
constexpr std::string_view kSlots = "urdptTiaIcmgNPnqh";

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

}  // namespace

Fleet::Fleet(std::uint64_t seed, std::uint32_t hosts)
    : dice_(seed), uuids_(seed ^ 0x9e3779b97f4a7c15U) {
  CHECK(hosts > 0);
  build_hosts(hosts);
  for (const auto& phenomenon : daily_life()) daily_.push_back(compile(phenomenon));
  for (const auto& phenomenon : machine_life()) machine_.push_back(compile(phenomenon));
  for (const auto& phenomenon : test_run()) test_run_.push_back(compile(phenomenon));
  for (const auto& phenomenon : intrusion()) intrusion_.push_back(compile(phenomenon));
  heartbeat_ = compile_heartbeat();
  drops_ = compile_drops();

  // Every pair of container and phenomenon once, walked with a stride so that few containers do not
  // take them all.
  const std::size_t pairs = containers_.size() * daily_.size();
  for (std::size_t k = 0; k < std::min(kFloodFindings, pairs); ++k) {
    const std::size_t pair = k * (pairs / std::min(kFloodFindings, pairs));
    noisy_.emplace_back(pair % containers_.size(), pair / containers_.size());
  }
}

void Fleet::build_hosts(std::uint32_t hosts) {
  for (std::size_t host = 0; host < hosts; ++host) {
    const std::string name = fmt::format("node-{:02}", host + 1);
    machines_.push_back({.id = "host",
                         .name = "host",
                         .image = "",
                         .tag = "",
                         .ns = "",
                         .pod = "",
                         .ip = fmt::format("10.40.{}.{}", host / 250 % 250, host % 250 + 1),
                         .host = name});
    const bool kubernetes = host % kDockerEvery != kDockerEvery - 1;
    for (std::size_t i = 0; i < kContainersPerHost; ++i) {
      containers_.push_back(make_container(host, i, kubernetes));
    }
  }
  victim_ = dice_.below(containers_.size());
  tester_ = make_container(dice_.below(hosts), 0, false);
  tester_.name = "event-generator";
  tester_.image = "docker.io/falcosecurity/event-generator";
  tester_.tag = "latest";
  tester_.ns = "falco-event-generator";
  tester_.pod =
      "event-generator-" + letters(dice_, kPodLetters, 9) + "-" + letters(dice_, kPodLetters, 5);
}

Fleet::Container Fleet::make_container(std::size_t host, std::size_t workload, bool kubernetes) {
  const Workload& what = kWorkloads[workload];
  Container container;
  container.id = letters(dice_, kHex, 12);
  container.name = kubernetes ? std::string(what.name)
                              : fmt::format("{}_{}", what.name, letters(dice_, kPodLetters, 6));
  container.image = what.image;
  container.tag = what.tag;
  if (kubernetes) {
    container.ns = what.ns;
    container.pod = fmt::format("{}-{}-{}", what.name, letters(dice_, kPodLetters, 9),
                                letters(dice_, kPodLetters, 5));
  }
  container.ip = fmt::format("10.{}.{}.{}", 128 + host / 250 % 100, host % 250, workload + 10);
  container.host = machines_[host].host;
  return container;
}

Fleet::Template Fleet::compile(const Phenomenon& phenomenon) {
  const RuleFacts& rule = rule_facts(phenomenon.rule);
  // Sorted by name, as falcosidekick's encoder writes a map. A later field of one name wins.
  std::map<std::string, std::string, std::less<>> fields = {
      {"container.id", "\"$i\""},
      {"container.name", "\"$c\""},
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
  Template out{rule.name, {}};
  for (auto& [literal, slot] : cut(text)) out.pieces.push_back({std::move(literal), slot});
  return out;
}

Fleet::Template Fleet::compile_heartbeat() {
  Template out{"Falco internal: metrics snapshot", {}};
  const std::string text =
      R"({"uuid":"$u","output":"$T: Informational Falco metrics snapshot",)"
      R"("priority":"Informational","rule":"Falco internal: metrics snapshot","time":"$I",)"
      R"("output_fields":{"evt.hostname":"$h","evt.source":"syscall","evt.time":$t,)"
      R"("falco.evts_rate_sec":812.5,"falco.host_num_cpus":8,"falco.num_evts":$d,)"
      R"("falco.outputs_queue_num_drops":0,"falco.version":"0.44.1",)"
      R"("scap.engine_name":"modern_bpf","scap.n_drops":0,"scap.n_drops_perc":0.0},)"
      R"("source":"internal","hostname":"$h"})";
  for (auto& [literal, slot] : cut(text)) out.pieces.push_back({std::move(literal), slot});
  return out;
}

Fleet::Template Fleet::compile_drops() {
  Template out{"Falco internal: syscall event drop", {}};
  const std::string text =
      R"({"uuid":"$u","output":"$T: Debug Falco internal: syscall event drop. )"
      R"(Events were lost in the last second.","priority":"Debug",)"
      R"("rule":"Falco internal: syscall event drop","time":"$I",)"
      R"("output_fields":{"ebpf_enabled":"1","evt.time":$t,"n_drops":"$p",)"
      R"("n_drops_buffer_total":"$p","n_drops_bug":"0","n_evts":"$d"},)"
      R"("source":"internal","hostname":"$h"})";
  for (auto& [literal, slot] : cut(text)) out.pieces.push_back({std::move(literal), slot});
  return out;
}

void Fleet::write_uuid(char* to) {
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

void Fleet::renew_uuid(std::string& alert) {
  CHECK(alert.size() > kUuidOffset + kUuidSize);
  write_uuid(alert.data() + kUuidOffset);
}

void Fleet::draw(Nanos time) {
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

void Fleet::append_clock(Nanos time, std::string& out) {
  const Second second = second_of(time);
  if (second != clock_second_) {
    clock_second_ = second;
    const std::string text = format_rfc3339_second(second);
    std::copy_n(text.begin(), 19, clock_.begin());
  }
  out.append(clock_.data(), 19);
}

void Fleet::append_slot(char slot, const Container& where, Nanos time, std::string& out) {
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
    default:
      CHECK(slot == 0);
  }
}

Emitted Fleet::write(const Template& what, const Container& where, Nanos time, std::string& out) {
  draw(time);
  out.clear();
  for (const auto& piece : what.pieces) {
    out += piece.text;
    if (piece.slot != 0) append_slot(piece.slot, where, time, out);
  }
  return {.rule = what.rule, .heartbeat = &what == &heartbeat_};
}

Emitted Fleet::mixed(std::uint64_t index, std::uint64_t count, Nanos time, std::string& out) {
  // The break-in takes its steps in the middle of the run, the rest goes on around it.
  const std::uint64_t stride = std::max<std::uint64_t>(1, count / 10 / intrusion_.size());
  const std::uint64_t begin = count * 2 / 5;
  if (index >= begin && (index - begin) % stride == 0 &&
      (index - begin) / stride < intrusion_.size()) {
    return write(intrusion_[(index - begin) / stride], containers_[victim_], time, out);
  }
  const std::uint64_t what = dice_.below(10'000);
  if (what < 100) {
    return write(heartbeat_, machines_[next_machine_++ % machines_.size()], time, out);
  }
  if (what < 105) return write(drops_, machines_[dice_.below(machines_.size())], time, out);
  if (what < 1'100) {
    return write(machine_[dice_.below(machine_.size())], machines_[dice_.below(machines_.size())],
                 time, out);
  }
  if (what < 2'600) return write(test_run_[test_step_++ % test_run_.size()], tester_, time, out);
  // A few habits make most of the noise: the minimum of two draws leans to the front of the list.
  const std::size_t habit = std::min(dice_.below(daily_.size()), dice_.below(daily_.size()));
  return write(daily_[habit], containers_[dice_.below(containers_.size())], time, out);
}

Emitted Fleet::flood(Nanos time, std::string& out) {
  if (dice_.below(100) < 95) {
    const auto& [container, phenomenon] = noisy_[dice_.below(noisy_.size())];
    return write(daily_[phenomenon], containers_[container], time, out);
  }
  return write(daily_[dice_.below(daily_.size())], containers_[dice_.below(containers_.size())],
               time, out);
}

Emitted Fleet::attack(std::uint64_t index, std::uint64_t count, Nanos time, std::string& out) {
  const std::uint64_t step = index * intrusion_.size() / std::max<std::uint64_t>(1, count);
  return write(intrusion_[std::min(step, intrusion_.size() - 1)], containers_[victim_], time, out);
}

}  // namespace gyre::pipeline
