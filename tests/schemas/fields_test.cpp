// SPDX-License-Identifier: Apache-2.0
#include "schemas/fields.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace gyre::schemas {
namespace {

TEST(Fields, KeepTheirTextWhereverTheyGo) {
  Fields fields = {{"proc.name", "sh"}, {"a", "1"}, {"proc.name", "second"}};
  EXPECT_EQ(fields.size(), 2U);
  EXPECT_EQ(fields[0].first, "a");
  EXPECT_EQ(fields.find("proc.name"), "sh");
  EXPECT_EQ(fields.find("proc.pname"), "");
  Fields copy = fields;
  Fields moved = std::move(fields);
  moved.set("proc.name", std::string(100, 'x'));
  moved.set("proc.cmdline", "x y");
  EXPECT_EQ(copy.find("proc.name"), "sh");
  EXPECT_EQ(moved.find("proc.name"), std::string(100, 'x'));
  moved.rename("a", "z");
  EXPECT_EQ(moved.find("z"), "1");
  EXPECT_EQ(moved.find("a"), "");
  moved.clear();
  EXPECT_EQ(moved.find("z"), "");
  EXPECT_EQ(copy, (Fields{{"a", "1"}, {"proc.name", "sh"}}));
}

TEST(Fields, HaveTheNumbersOfTheirNamesWhateverHappensToThem) {
  Fields fields = {{"proc.name", "sh"}, {"my.own", "1"}, {"evt.type", "execve"}};
  fields.set("fd.name", "/x");
  fields.rename("my.own", "user.name");
  const Fields copy = fields;
  const Fields moved = std::move(fields);
  for (const Fields* each : {&copy, &moved}) {
    ASSERT_EQ(each->size(), 4U);
    for (std::size_t i = 0; i < each->size(); ++i)
      EXPECT_EQ(each->number(i), field_number((*each)[i].first));
  }
}

TEST(KnownFields, AreFoundByNameAndNothingElseIs) {
  FieldNumber number = 0;
  for (const std::string_view name : known_fields()) {
    EXPECT_EQ(field_number(name), ++number) << name;
    EXPECT_EQ(field_number(std::string(name) + "x"), 0) << name;
    EXPECT_EQ(field_number("x" + std::string(name)), 0) << name;
    std::string other(name);
    other[name.size() / 2] = '!';
    EXPECT_EQ(field_number(other), 0) << other;
  }
  for (const std::string_view none : {"", "a", "evt", "proc", "fd.n"})
    EXPECT_EQ(field_number(none), 0);
}

}  // namespace
}  // namespace gyre::schemas
