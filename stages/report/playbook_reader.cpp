// SPDX-License-Identifier: Apache-2.0
#include "stages/report/playbook_reader.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "base/yaml_text.h"
#include "stages/report/playbook_rules.h"

namespace gyre::stages {

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// YAML into a message of the same form: keys are the field names. What has no place is a problem.
class Reader {
 public:
  Reader(const std::string& file, std::vector<std::string>& problems)
      : file_(file), problems_(problems) {}

  void message(const YAML::Node& node, Message& into) {
    if (node.IsScalar() && into.GetDescriptor() == playbook::Step::descriptor()) {
      auto& step = static_cast<playbook::Step&>(into);
      step.set_use(node.Scalar());
      step.set_line(static_cast<std::uint32_t>(node.Mark().line + 1));
      return;
    }
    if (!node.IsMap()) {
      problem(node, "must be a mapping");
      return;
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        problem(entry.first, "a key must be a word");
        continue;
      }
      const std::string& key = entry.first.Scalar();
      if (!seen.insert(key).second) problem(entry.first, fmt::format("key `{}` stands twice", key));
      const FieldDescriptor* field = into.GetDescriptor()->FindFieldByName(key);
      if (field == nullptr || field == use_ || field == line_) {
        problem(entry.first, fmt::format("unknown key `{}`", key));
      } else if (field->is_repeated()) {
        list(entry.second, *field, into);
      } else {
        value(entry.second, *field, into);
      }
    }
  }

  // The node at a path, or the last one on the way that exists.
  void problem_at(YAML::Node node, const Path& path, const std::string& what) {
    for (const Place& place : path) {
      YAML::Node next = static_cast<const YAML::Node&>(node)[place.key];
      if (next.IsDefined() && place.index >= 0 && next.IsSequence())
        next.reset(next[static_cast<std::size_t>(place.index)]);
      if (!next.IsDefined()) break;
      node.reset(next);
    }
    problem(node, what);
  }

 private:
  void list(const YAML::Node& node, const FieldDescriptor& field, Message& into) {
    if (!node.IsSequence()) {
      problem(node, fmt::format("`{}` must be a list", field.name()));
      return;
    }
    for (const YAML::Node& item : node) {
      if (field.message_type() != nullptr) {
        message(item, *into.GetReflection()->AddMessage(&into, &field));
      } else {
        value(item, field, into);
      }
    }
  }

  void value(const YAML::Node& node, const FieldDescriptor& field, Message& into) {
    if (field.message_type() != nullptr) {
      message(node, *into.GetReflection()->MutableMessage(&into, &field));
    } else if (!node.IsScalar() || node.Scalar().empty()) {
      problem(node, fmt::format("`{}` must be a text", field.name()));
    } else if (field.enum_type() != nullptr) {
      word(node, field, into);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
      const std::string& digits = node.Scalar();
      const bool number =
          digits.size() <= 4 &&
          std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!number) problem(node, fmt::format("`{}` must be a number", field.name()));
      if (number)
        into.GetReflection()->SetUInt32(&into, &field,
                                        static_cast<std::uint32_t>(std::stoul(digits)));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      if (node.Scalar() != "true" && node.Scalar() != "false")
        problem(node, fmt::format("`{}` must be true or false", field.name()));
      into.GetReflection()->SetBool(&into, &field, node.Scalar() == "true");
    } else {
      text(node, field, into);
    }
  }

  void text(const YAML::Node& node, const FieldDescriptor& field, Message& into) {
    std::string value = node.Scalar();
    // A word to look for may end in a blank that tells it from a longer one.
    if (field.name() != "snippet" && field.name() != "never")
      value.erase(value.find_last_not_of(" \n") + 1);
    if (field.is_repeated()) {
      into.GetReflection()->AddString(&into, &field, value);
    } else {
      into.GetReflection()->SetString(&into, &field, value);
    }
  }

  void word(const YAML::Node& node, const FieldDescriptor& field, Message& into) {
    std::vector<std::string> known;
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      const auto* value = field.enum_type()->value(i);
      if (value->name() == "NONE") continue;
      known.push_back(lower(value->name()));
      if (known.back() != node.Scalar()) continue;
      if (field.is_repeated()) {
        into.GetReflection()->AddEnum(&into, &field, value);
      } else {
        into.GetReflection()->SetEnum(&into, &field, value);
      }
      return;
    }
    problem(node, fmt::format("`{}` must be one of: {}", field.name(), fmt::join(known, ", ")));
  }

  void problem(const YAML::Node& node, const std::string& what) {
    const YAML::Mark mark = node.Mark();
    problems_.push_back(fmt::format("{}:{}:{}: {}", file_, mark.line + 1, mark.column + 1, what));
  }

  const FieldDescriptor* const use_ = playbook::Step::descriptor()->FindFieldByName("use");
  const FieldDescriptor* const line_ = playbook::Step::descriptor()->FindFieldByName("line");
  const std::string& file_;
  std::vector<std::string>& problems_;
};

}  // namespace

playbook::File read_playbook_file(const std::string& name, const std::string& text,
                                  std::vector<std::string>& problems) {
  playbook::File file;
  try {
    const YAML::Node node = YAML::Load(text);
    Reader reader(name, problems);
    reader.message(node, file);
    check_playbook_file(file, [&](const Path& path, const std::string& what) {
      reader.problem_at(node, path, what);
    });
  } catch (const YAML::Exception& error) {
    problems.push_back(fmt::format("{}:{}:{}: {}", name, error.mark.line + 1, error.mark.column + 1,
                                   yaml_problem(text, error.mark.line, error.msg)));
  }
  return file;
}

}  // namespace gyre::stages
