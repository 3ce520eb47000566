// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "stages/report/facts.h"
#include "stages/report/field_scope.h"
#include "stages/report/judge.h"
#include "stages/report/playbook.h"

// Known sources of alerts, and what of a finding's evidence holds them up.
namespace gyre::stages {

inline constexpr std::string_view kImage = "container.image.repository";
inline constexpr std::string_view kDigest = "container.image.digest";

template <typename List>
bool contains(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

inline bool names_match(const KnownSource& source, const Facts& facts) {
  for (std::size_t i = 0; i < source.names.size(); ++i) {
    // What was capped has the same shape as what was kept, so the same pattern.
    const auto values = facts.values(source.entry.names(static_cast<int>(i)).field());
    const bool all = std::all_of(values.begin(), values.end(), [&](std::string_view value) {
      return RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *source.names[i]);
    });
    if (values.empty() || !all) return false;
  }
  return true;
}

enum class Match { kUnknown, kYes, kNo };

template <typename Accepts>
Match match_all(const Facts& facts, std::string_view field, const Accepts& accepts) {
  const auto values = facts.values(field);
  if (values.empty()) return Match::kUnknown;
  if (facts.capped(field) || !std::all_of(values.begin(), values.end(), accepts)) return Match::kNo;
  return Match::kYes;
}

inline void note_missing(Judgement& judgement, std::string_view field) {
  if (!contains(judgement.missing, field)) judgement.missing.emplace_back(field);
}

inline std::string first_value(const Facts& facts, std::string_view field) {
  const auto values = facts.values(field);
  return values.empty() ? std::string() : std::string(values.front());
}

// Holds the catalogue of known sources against a finding (rulings 11, 26, 27).
class Recogniser {
 public:
  Recogniser(const Playbooks& playbooks, const records::Series& series, const Facts& facts,
             Judgement& judgement)
      : playbooks_(playbooks), series_(series), facts_(facts), judgement_(judgement) {}

  bool recognise() {
    const auto& sources = playbooks_.sources();
    return std::any_of(sources.begin(), sources.end(),
                       [&](const KnownSource& source) { return is(source); });
  }

 private:
  // Several entries of one source say the same of it: once is enough.
  void because(const std::string& text, std::string_view field) {
    auto& list = judgement_.because;
    if (std::none_of(list.begin(), list.end(),
                     [&](const Because& one) { return one.text == text; }))
      list.push_back({text, std::string(field), first_value(facts_, field)});
  }

  // True when it decided the class.
  bool is(const KnownSource& source) {
    const playbook::Source& entry = source.entry;
    if (!entry.rules().empty() && !contains(entry.rules(), series_.rule())) return false;
    if (!names_match(source, facts_)) return false;
    const Match image = match_all(facts_, kImage, [&](std::string_view value) {
      return std::any_of(entry.images().begin(), entry.images().end(),
                         [&](const auto& known) { return playbooks_.is_image(value, known); });
    });
    const Match parent = entry.parents().empty()
                             ? Match::kYes
                             : match_all(facts_, "proc.pname", [&](std::string_view value) {
                                 return contains(entry.parents(), value);
                               });
    because(fmt::format("It looks as {} does; whoever runs a program chooses these names, so they "
                        "prove nothing alone.",
                        entry.name()),
            entry.names(0).field());
    if ((image == Match::kNo && !entry.images().empty()) || parent == Match::kNo) {
      because(fmt::format("It is not {}: this value is another one.", entry.name()),
              image == Match::kNo ? kImage : "proc.pname");
      return false;
    }
    if (image == Match::kUnknown && !entry.images().empty() && can_hold(series_, facts_, kImage))
      note_missing(judgement_, kImage);
    if (parent == Match::kUnknown) note_missing(judgement_, "proc.pname");
    const bool announced = is_announced(entry);
    const bool proven = image == Match::kYes && parent == Match::kYes;
    if (!proven && !announced && (entry.images_required() || parent == Match::kUnknown))
      return false;
    label(entry, proven, announced);
    return true;
  }

  bool is_announced(const playbook::Source& entry) {
    const playbook::Window* window = playbooks_.window_of(entry, series_.entity(), facts_.summary(),
                                                          facts_.single("k8s.ns.name"));
    if (window == nullptr) return false;
    judgement_.because.push_back(
        {"A test was announced for this time and place.", "test_windows", window->name()});
    return true;
  }

  void label(const playbook::Source& entry, bool proven, bool announced) {
    judgement_.verdict =
        entry.verdict() == playbook::Source::TEST ? Verdict::kTest : Verdict::kLikelyBenign;
    judgement_.would_change.push_back(entry.confirm());
    if (!proven) {
      judgement_.confidence = announced ? Confidence::kHigh : Confidence::kLow;
      if (!entry.images().empty())
        judgement_.would_change.emplace_back(
            "the container's image: another one excludes this reading");
      return;
    }
    because(fmt::format("The image is exactly that of {}.", entry.name()), kImage);
    if (!entry.parents().empty())
      because("The parent process is the one it has there.", "proc.pname");
    const Match digest = match_all(
        facts_, kDigest, [&](std::string_view value) { return contains(entry.digests(), value); });
    if (digest == Match::kYes) {
      because("The image's digest is in the catalogue of known sources.", kDigest);
    } else {
      judgement_.would_change.emplace_back("an image digest that its publisher does not know");
    }
    judgement_.confidence =
        digest == Match::kYes || announced ? Confidence::kHigh : Confidence::kMedium;
  }

  const Playbooks& playbooks_;
  const records::Series& series_;
  const Facts& facts_;
  Judgement& judgement_;
};

}  // namespace gyre::stages
