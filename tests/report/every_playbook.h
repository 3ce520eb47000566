// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "stages/report/attack.h"
#include "tests/report/story.h"

/// Every playbook, rendered for every outcome and every kind of entity.
namespace gyre::stages {

struct Place {
  const char* name;
  std::function<void(Story&)> make;
};
struct Result {
  const char* name;
  std::function<void(Story&)> make;
};

inline const std::vector<Place>& places() {
  static const std::vector<Place> all = {
      {"pod",
       [](Story& story) {
         story.card("container.image.repository", "registry.example.com/shop/web");
         story.card("k8s.ns.name", "shop").card("k8s.pod.name", "web-5d9c7b-x2x4z");
       }},
      {"docker",
       [](Story& story) { story.card("container.image.repository", "docker.io/shop/web"); }},
      {"host",
       [](Story& story) {
         story.series.mutable_entity()->set_kind(records::Entity::HOST);
         story.series.mutable_entity()->set_id("");
         story.field("user.loginname", "alice");
       }},
      {"unknown container",
       [](Story& story) {
         story.series.mutable_entity()->set_kind(records::Entity::HOST);
         story.series.mutable_entity()->set_id("?");
         story.series.mutable_entity()->set_container_unknown(true);
       }},
      {"k8s_object",
       [](Story& story) {
         story.series.set_source("k8s_audit");
         story.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
         story.series.mutable_entity()->set_id("shop/pods/web-0");
         story.field("ka.user.name", "alice@example.com").field("ka.target.name", "web-0");
         story.field("ka.target.namespace", "shop").field("ka.verb", "create");
       }},
      {"cloud", [](Story& story) {
         story.series.set_source("aws_cloudtrail");
         story.series.mutable_entity()->set_kind(records::Entity::CLOUD);
         story.series.mutable_entity()->set_id("123456789012");
         story.field("ct.user", "alice").field("ct.srcip", "192.0.2.7");
         story.field("ct.region", "eu-west-1");
       }}};
  return all;
}

inline const std::vector<Result>& results() {
  static const std::vector<Result> all = {
      {"succeeded", [](Story& s) { s.field("evt.res", "SUCCESS").outcome(2, 0, 0); }},
      {"refused", [](Story& s) { s.field("evt.res", "EACCES").outcome(0, 2, 0); }},
      {"not found", [](Story& s) { s.field("evt.res", "ENOENT").outcome(0, 2, 0); }},
      {"unknown", [](Story& s) { s.outcome(0, 0, 2); }}};
  return all;
}

struct Rendered {
  std::string name;
  Place place;
  Result result;
  const Playbook* playbook;
  Story story;
  std::string json;
};

// A tag that leads to the fallback; the ATT&CK table knows it, so that lint can hold the report to
// it.
inline void lead_to(const playbook::Fallback& fallback, Story& story) {
  const bool of_a_log = story.series.source() != "syscall";
  if (of_a_log && !fallback.sources().empty() && fallback.sources(0) != "syscall") {
    story.series.set_source(fallback.sources(0));
    return;
  }
  for (const std::string& technique : fallback.techniques())
    if (find_technique(technique) != nullptr) return void(story.tag(technique));
  if (!fallback.tactics().empty()) return void(story.tag(fallback.tactics(0)));
  if (!fallback.tags().empty()) story.tag(fallback.tags(0));
}

inline Story story_of(const Playbook& book, const std::string& rule, const Place& place,
                      const Result& result) {
  Story story(rule, 4);
  place.make(story);
  if (story.series.source() == "syscall") {
    story.field("proc.name", "sh").field("proc.pid", "4711").field("proc.exepath", "/usr/bin/it's");
    story.field("proc.cmdline", "sh -c /opt/tool/run").field("proc.pname", "tool");
    story.field("user.name", "root").field("user.uid", "0").field("fd.name", "/etc/a b");
  }
  if (book.id() == "sensor_health") {
    story.series.set_source("internal");
    story.field("rule", "Falco internal: syscall event drop");
  }
  for (const char* source : {"gcp", "okta", "github"})
    if (book.id().starts_with(source)) story.series.set_source(source);
  result.make(story);
  if (book.has_fallback()) lead_to(book.fallback(), story);
  return story;
}

inline Rendered render(const Playbook& book, const std::string& rule, const Place& place,
                       const Result& result) {
  Story story = story_of(book, rule, place, result);
  const Playbook& chosen = Story::playbooks().of(story.series, story.episode.summary());
  std::string json = story.json();
  return {book.id() + "/" + rule + "/" + place.name + "/" + result.name,
          place,
          result,
          &chosen,
          std::move(story),
          std::move(json)};
}

// System calls happen in containers and on hosts, audit logs speak of objects.
inline bool can_be(const std::string& file, const Playbook& book, const std::string& place) {
  if (file.starts_with("playbooks/sensor/")) return place == "host";
  const auto& sources = book.fallback().sources();
  const bool audit = std::count(sources.begin(), sources.end(), "k8s_audit") > 0;
  const bool cloud = !audit && !sources.empty();
  if (cloud || file.starts_with("playbooks/cloud/") || file.starts_with("playbooks/saas/"))
    return place == "cloud";
  const bool by_tag = !book.fallback().techniques().empty() || !book.fallback().tags().empty();
  if (audit && by_tag) return place != "cloud";
  if (audit || file.starts_with("playbooks/k8s_audit/")) return place == "k8s_object";
  return place != "cloud" && place != "k8s_object";
}

inline void for_every_rendering(const std::function<void(const Rendered&)>& visit) {
  for (const auto& [file, book] : Story::playbooks().all()) {
    std::vector<std::string> rules;
    for (const playbook::Rule& rule : book.rules()) rules.push_back(rule.name());
    if (rules.empty()) rules.emplace_back("A rule of our own");
    for (const std::string& rule : rules) {
      for (const Place& place : places()) {
        if (!can_be(file, book, place.name)) continue;
        for (const Result& result : results()) {
          const Rendered rendered = render(book, rule, place, result);
          SCOPED_TRACE(rendered.name);
          visit(rendered);
          if (testing::Test::HasFailure()) return;
        }
      }
    }
  }
}

struct Commands {
  std::vector<std::string> verify;
  std::vector<std::string> all;
  std::vector<std::string> yaml;
};

inline Commands commands_of(const std::string& json) {
  simdjson::dom::parser parser;
  Commands found;
  for (const auto group : simdjson::dom::object(parser.parse(json)["advice"])) {
    for (const auto advice : simdjson::dom::array(group.value)) {
      for (const char* key : {"record", "commands", "undo_commands"}) {
        simdjson::dom::array list;
        if (advice[key].get(list) != simdjson::SUCCESS) continue;
        for (const auto command : list) {
          found.all.emplace_back(std::string_view(command));
          if (group.key == "verify") found.verify.emplace_back(std::string_view(command));
        }
      }
      std::string_view snippet;
      if (advice["snippet"].get(snippet) == simdjson::SUCCESS &&
          snippet.find("- rule:") != std::string_view::npos)
        found.yaml.emplace_back(snippet);
    }
  }
  return found;
}

}  // namespace gyre::stages
