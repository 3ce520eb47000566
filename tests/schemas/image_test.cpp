// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "schemas/identity.h"

namespace gyre::schemas {
namespace {

TEST(Image, IsSplitIntoRepositoryTagAndDigest) {
  const auto parts = [](std::string_view reference) {
    const ImageReference image = split_image(reference);
    return std::vector<std::string_view>{image.repository, image.tag, image.digest};
  };
  using Parts = std::vector<std::string_view>;
  EXPECT_EQ(parts("nginx"), (Parts{"nginx", "", ""}));
  EXPECT_EQ(parts("nginx:1.25"), (Parts{"nginx", "1.25", ""}));
  EXPECT_EQ(parts("registry.example.com:5000/team/app"),
            (Parts{"registry.example.com:5000/team/app", "", ""}));
  EXPECT_EQ(parts("registry.example.com:5000/team/app:1.2@sha256:ab12"),
            (Parts{"registry.example.com:5000/team/app", "1.2", "sha256:ab12"}));
  EXPECT_EQ(parts("app@sha256:ab12"), (Parts{"app", "", "sha256:ab12"}));
  EXPECT_EQ(parts(""), (Parts{"", "", ""}));
}

TEST(Image, OfAnAlertIsSeparatedAndWhatItSaysItselfWins) {
  const auto separated = [](std::vector<std::pair<std::string, std::string>> fields) {
    Alert alert;
    std::sort(fields.begin(), fields.end());
    alert.fields = std::move(fields);
    separate_image(alert);
    EXPECT_TRUE(std::is_sorted(alert.fields.begin(), alert.fields.end()));
    std::string text;
    for (const std::string part : {"repository", "tag", "digest"})
      text += std::string(alert.field("container.image." + part)) + ' ';
    return text;
  };
  EXPECT_EQ(separated({{"container.image", "r:5000/app:1@sha256:a"}}), "r:5000/app 1 sha256:a ");
  EXPECT_EQ(separated({{"container.image.repository", "app:1"}, {"container.image.tag", "2"}}),
            "app 2  ");
  EXPECT_EQ(separated({{"container.image", "x:9"}, {"container.image.repository", "app"}}),
            "app   ");
  EXPECT_EQ(separated({{"container.image", "sha256:0123"}}), "   ");
}

}  // namespace
}  // namespace gyre::schemas
