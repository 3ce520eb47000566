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

}  // namespace
}  // namespace gyre::schemas
