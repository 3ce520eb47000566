// SPDX-License-Identifier: Apache-2.0
#include "pipeline/kafka_handles.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace gyre::pipeline {
namespace {

TEST(ParseGroupMetadata, ReadsGenerationAndMember) {
  const std::int32_t generation = 7;
  std::string bytes = "CGMDv2:";
  bytes.append(reinterpret_cast<const char*>(&generation), sizeof generation);
  bytes += std::string("group\0member-1\0\1instance\0", 25);
  const auto member = kafka::parse_group_metadata(bytes);
  ASSERT_TRUE(member);
  EXPECT_EQ(member->generation, 7);
  EXPECT_EQ(member->id, "member-1");
  EXPECT_TRUE(member->alive());
  EXPECT_FALSE((kafka::Member{7, ""}).alive());
  EXPECT_FALSE((kafka::Member{-1, "member-1"}).alive());
  EXPECT_FALSE(kafka::parse_group_metadata("CGMDv3:"));
  EXPECT_FALSE(kafka::parse_group_metadata(bytes.substr(0, 13)));
}

}  // namespace
}  // namespace gyre::pipeline
