// SPDX-License-Identifier: Apache-2.0
// What this version writes to disks and inner topics must be read by the next one: its bytes are
// kept in golden_bytes.txt, a line each: name, bytes in hex, and what they mean as protobuf text.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/hash.h"
#include "pipeline/bundle_tasks.h"
#include "state/transaction.h"

namespace gyre::pipeline {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::string_view kKeyA = "aaaaaaaaaaaaaaaa";
constexpr std::string_view kKeyB = "bbbbbbbbbbbbbbbb";

/// Every field there is, with a value that tells it from its neighbours.
void fill(Message& message) {
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const auto set = [&](auto one, auto more, auto value) {
      if (field.is_repeated())
        (reflection.*more)(&message, &field, value);
      else
        (reflection.*one)(&message, &field, value);
    };
    using R = google::protobuf::Reflection;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        set(&R::SetInt32, &R::AddInt32, -field.number());
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        set(&R::SetInt64, &R::AddInt64, std::int64_t{1'000'000'000'000} + field.number());
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        set(&R::SetUInt32, &R::AddUInt32, static_cast<std::uint32_t>(field.number()));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        set(&R::SetUInt64, &R::AddUInt64, static_cast<std::uint64_t>(field.number()) << 33);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        set(&R::SetBool, &R::AddBool, true);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        set(&R::SetString, &R::AddString, field.name());
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        set(&R::SetEnumValue, &R::AddEnumValue,
            field.enum_type()->value(field.enum_type()->value_count() - 1)->number());
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        fill(field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                 : *reflection.MutableMessage(&message, &field));
        break;
      default:
        FAIL() << field.full_name() << " is of a type that this test cannot fill";
    }
  }
}

template <typename T>
T filled() {
  T message;
  fill(message);
  return message;
}

std::string text_of(const Message& message) {
  std::string text;
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.PrintToString(message, &text);
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

struct Golden {
  std::string bytes;
  std::string text;
};

std::map<std::string, Golden> golden() {
  std::map<std::string, Golden> all;
  std::ifstream file(GYRE_SOURCE_DIR "/tests/pipeline/golden_bytes.txt");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::string hex;
    Golden golden;
    words >> name >> hex >> std::ws;
    std::getline(words, golden.text);
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
      golden.bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    all[name] = golden;
  }
  return all;
}

/// What today's code writes, by name; a key and its value are one.
class Written {
 public:
  Written() {
    state::Transaction transaction(store_);
    auto series = filled<records::Series>();
    transaction.put(kKeyA, series);
    take("series.v1", transaction, series);
    auto entity = filled<records::EntityState>();
    transaction.put(kKeyA, entity);
    take("entity.v1", transaction, entity);
    auto group = filled<records::Group>();
    transaction.put(kKeyA, group);
    take("group.v1", transaction, group);
    const auto member = filled<records::OutbreakMember>();
    transaction.put(kKeyA, kKeyB, member);
    take("member.v1", transaction, member);
    const auto sighting = filled<records::Sighting>();
    transaction.put_pending(10, sighting);
    take("sighting.v1", transaction, sighting);
    const auto contribution = filled<records::Contribution>();
    transaction.put_pending(10, contribution);
    take("contribution.v1", transaction, contribution);
    const auto block = filled<records::IdBlock>();
    transaction.put(-5, kKeyA, "7", block);
    add("ids.v1", transaction.ids().at(0), block);
    const auto checkpoint = filled<records::Checkpoint>();
    transaction.put(checkpoint);
    add("checkpoint.v1", transaction.checkpoint_change(), checkpoint);
    const auto bundle = filled<records::Bundle>();
    all_["bundle.v1"] = {encode_bundle(bundle), text_of(bundle)};
  }
  const std::map<std::string, Golden>& all() const { return all_; }

 private:
  void take(const std::string& name, state::Transaction& transaction, const Message& message) {
    add(name, transaction.changelog().at(0), message);
    transaction.rollback();
  }
  void add(const std::string& name, const state::Change& change, const Message& message) {
    all_[name + ".key"] = {change.key, ""};
    all_[name] = {*change.value, text_of(message)};
  }

  state::StoreMemory memory_{8 << 20};
  state::Store store_{"", memory_};
  std::map<std::string, Golden> all_;
};

template <typename T>
std::string read_again(std::string_view bytes) {
  T message;
  EXPECT_TRUE(message.ParseFromArray(bytes.data() + 1, static_cast<int>(bytes.size() - 1)));
  EXPECT_EQ(message.SerializeAsString(), bytes.substr(1)) << "fields were lost on the way";
  return text_of(message);
}

TEST(GoldenBytes, WhatThisVersionWritesIsKept) {
  const auto kept = golden();
  const Written written;
  for (const auto& [name, now] : written.all()) {
    const auto found = kept.find(name);
    if (found != kept.end() && found->second.bytes == now.bytes) continue;
    ADD_FAILURE()
        << name
        << " is written in other bytes than those kept. If all that was read can still be "
           "read, keep the old line under another name, and this one:\n"
        << name << ' ' << to_hex(now.bytes) << (now.text.empty() ? "" : " ") << now.text;
  }
}

TEST(GoldenBytes, WhatWasEverWrittenMeansTheSame) {
  const std::map<std::string, std::string (*)(std::string_view)> readers = {
      {"series", read_again<records::Series>},
      {"entity", read_again<records::EntityState>},
      {"group", read_again<records::Group>},
      {"member", read_again<records::OutbreakMember>},
      {"sighting", read_again<records::Sighting>},
      {"contribution", read_again<records::Contribution>},
      {"ids", read_again<records::IdBlock>},
      {"checkpoint", read_again<records::Checkpoint>},
      {"bundle", read_again<records::Bundle>}};
  std::size_t read = 0;
  for (const auto& [name, kept] : golden()) {
    if (name.ends_with(".key")) continue;
    const auto reader = readers.find(name.substr(0, name.find('.')));
    ASSERT_NE(reader, readers.end()) << name;
    EXPECT_EQ(kept.bytes.front(), 1) << name;
    EXPECT_EQ(reader->second(kept.bytes), kept.text) << name;
    ++read;
  }
  EXPECT_GE(read, readers.size());
}

}  // namespace
}  // namespace gyre::pipeline
