// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace gyre::stages {

/// Where a configuration is another one: of some tenants, of some rules, or of rules of a tenant.
template <typename Config>
class Elsewhere {
 public:
  /// An empty tenant or rule stands for every one that is not named in another entry. Whoever names
  /// a tenant says it for all rules that any entry names.
  void add(const std::string& tenant, const std::string& rule, Config config) {
    by_tenant_[tenant][rule] = std::make_shared<const Config>(std::move(config));
  }

  /// Null: nothing else holds. Without a rule: what is of a tenant but of no single rule.
  const Config* find(std::string_view tenant, std::string_view rule = {}) const {
    if (by_tenant_.empty()) return nullptr;
    auto rules = by_tenant_.find(tenant);
    if (rules == by_tenant_.end()) rules = by_tenant_.find(std::string_view());
    if (rules == by_tenant_.end()) return nullptr;
    auto config = rules->second.find(rule);
    if (config == rules->second.end()) config = rules->second.find(std::string_view());
    return config == rules->second.end() ? nullptr : config->second.get();
  }

  /// Calls `look` with every one.
  template <typename Look>
  void each(const Look& look) const {
    for (const auto& [tenant, rules] : by_tenant_)
      for (const auto& [rule, config] : rules) look(*config);
  }

 private:
  using ByRule = std::map<std::string, std::shared_ptr<const Config>, std::less<>>;
  std::map<std::string, ByRule, std::less<>> by_tenant_;
};

}  // namespace gyre::stages
