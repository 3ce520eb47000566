// SPDX-License-Identifier: Apache-2.0
#include "pipeline/show.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <iostream>
#include <sstream>

namespace gyre::pipeline {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string report(const std::string& id, int revision, const std::string& level,
                   const std::string& title = "a title") {
  return fmt::format(
      R"({{"id":"{}","kind":"finding","revision":{},"time":"2026-03-02T09:00:00Z","attention":{{)"
      R"("level":"{}"}},"severity":"high","title":"{}","last_seen":"2026-03-02T08:59:58.000000000Z",)"
      R"("counts":{{"alerts":{}}},"risk":{{"score":61}},"verdict":{{"class":"suspicious"}},)"
      R"("markdown":"# {}"}})",
      id, revision, level, title, 7 * revision, title);
}

class ShowTest : public testing::Test {
 protected:
  void SetUp() override { before_ = std::cout.rdbuf(out_.rdbuf()); }
  void TearDown() override { std::cout.rdbuf(before_); }
  std::ostringstream out_;
  std::streambuf* before_ = nullptr;
};

TEST_F(ShowTest, PrintsTheNewestOfEachWithTheMostUrgentFirst) {
  Show show(Format::kSummary);
  EXPECT_TRUE(show.take(report("a", 2, "record", "quiet")));
  EXPECT_TRUE(show.take(report("a", 1, "page", "an older one")));
  EXPECT_TRUE(show.take(report("b", 1, "page", "loud")));
  show.print();
  const std::string text = out_.str();
  EXPECT_TRUE(text.starts_with("ATTENTION"));
  EXPECT_LT(text.find("loud"), text.find("quiet"));
  EXPECT_THAT(text, Not(HasSubstr("an older one")));
  EXPECT_THAT(text, HasSubstr("2026-03-02T08:59:58Z"));
  EXPECT_THAT(text, HasSubstr("     14  "));
  EXPECT_THAT(text, Not(HasSubstr("\033"))) << "no terminal, no colours";
}

TEST_F(ShowTest, TheTableNamesWhatAReportCanBeAskedForBy) {
  Show show(Format::kSummary);
  EXPECT_TRUE(show.take(report("0123456789abcdef0123456789abcdef", 1, "page", "loud")));
  show.print();
  EXPECT_THAT(out_.str(), HasSubstr("  0123456789ab  loud\n"));
}

TEST_F(ShowTest, FollowsEachRevisionOnce) {
  Show show(Format::kJson);
  EXPECT_TRUE(show.take(report("a", 1, "page"), true));
  EXPECT_TRUE(show.take(report("a", 1, "page"), true));
  EXPECT_TRUE(show.take(report("a", 2, "page"), true));
  EXPECT_TRUE(show.take(report("a", 1, "page"), true));
  EXPECT_EQ(out_.str(), report("a", 1, "page") + "\n" + report("a", 2, "page") + "\n");
}

TEST_F(ShowTest, FollowsOnlyWhatComesAfterTheNewestOfEach) {
  Show show(Format::kJson);
  EXPECT_TRUE(show.take(report("a", 1, "page")));
  EXPECT_TRUE(show.take(report("a", 2, "page")));
  show.print();
  EXPECT_TRUE(show.take(report("a", 3, "page"), true));
  show.print();
  EXPECT_EQ(out_.str(), report("a", 2, "page") + "\n" + report("a", 3, "page") + "\n");
}

TEST_F(ShowTest, LetsNoNameSteerTheTerminal) {
  for (const Format format : {Format::kSummary, Format::kMarkdown}) {
    Show show(format);
    EXPECT_TRUE(show.take(report("a", 1, "page", "x\\u001b[2Jy\\u009bz")));
    show.print();
  }
  EXPECT_THAT(out_.str(), Not(HasSubstr("\033")));
  EXPECT_THAT(out_.str(), Not(HasSubstr("\xc2\x9b")));
}

TEST_F(ShowTest, SaysWhatIsNoReportAndForgetsWhatWasDeleted) {
  Show show(Format::kMarkdown);
  EXPECT_FALSE(show.take("nonsense"));
  EXPECT_FALSE(show.take("{}"));
  EXPECT_TRUE(show.take(report("a", 1, "page")));
  show.forget("a");
  show.print();
  EXPECT_EQ(out_.str(), "");
}

}  // namespace
}  // namespace gyre::pipeline
