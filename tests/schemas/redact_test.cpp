// SPDX-License-Identifier: Apache-2.0
#include "schemas/redact.h"

#include <gtest/gtest.h>

namespace gyre::schemas {
namespace {

constexpr const char* kSecret = "S3cr3tV4lue";

TEST(RedactText, HidesSecretsWhereverTheyStand) {
  for (const auto* form :
       {"curl https://eve:@@@host/", "mysql -u root -p@@ db", "sshpass -p @@ ssh h",
        "curl -u eve:@@ http://h", "app --password @@", "app --password=@@", "PGPASSWORD=@@ psql",
        "curl -H 'Authorization: Bearer @@'", "x token=@@&y=1", R"({"password":"@@"})",
        R"({\"api_key\":\"@@\"})", "docker login -u a -p @@", "echo root:@@ | chpasswd",
        "redis-cli -a @@", "app --client-secret '@@ more'", "AWS_SECRET_ACCESS_KEY=@@",
        "-----BEGIN RSA PRIVATE KEY-----\n@@\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n@@"}) {
    std::string text = form;
    text.replace(text.find("@@"), 2, kSecret);
    const std::string out = redact_text(text);
    EXPECT_EQ(out.find(kSecret), std::string::npos) << out;
    EXPECT_NE(out.find("<redacted>"), std::string::npos) << out;
  }
  EXPECT_EQ(redact_text("id AKIAABCDEFGHIJKLMNOP x"), "id <redacted> x");
}

TEST(RedactText, TwoPasswordsBecomeOneText) {
  EXPECT_EQ(redact_text("app --password one"), redact_text("app --password two"));
}

TEST(RedactText, LeavesTheRest) {
  for (const auto* text :
       {"cat /etc/passwd", "docker run -v /etc/passwd:/host/passwd x", "ls --color=auto",
        "git clone ssh://git@example.org/a.git", "PWD=/home/eve", "grep -p x", "ps -p 1", ""})
    EXPECT_EQ(redact_text(text), text);
}

TEST(Redact, OnlyWhereSecretsMayStand) {
  Alert alert;
  alert.rule = "password=x";
  alert.output = "run app --password x1y2";
  alert.fields = {{"evt.arg.path", "/a password=x"},
                  {"fd.name", "/tmp/password=x"},
                  {"ka.target.name", "token=x"},
                  {"proc.cmdline", "app password=x"},
                  {"proc.env", "TOKEN=x"}};
  redact(alert);
  EXPECT_EQ(alert.rule, "password=x");
  EXPECT_EQ(alert.output, "run app --password <redacted>");
  EXPECT_EQ(alert.field("evt.arg.path"), "/a password=x");
  EXPECT_EQ(alert.field("fd.name"), "/tmp/password=x");
  EXPECT_EQ(alert.field("ka.target.name"), "token=x");
  EXPECT_EQ(alert.field("proc.cmdline"), "app password=<redacted>");
  EXPECT_EQ(alert.field("proc.env"), "TOKEN=<redacted>");
}

}  // namespace
}  // namespace gyre::schemas
