// SPDX-License-Identifier: Apache-2.0
#include "schemas/shape.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace gyre::schemas {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string shape(Fields fields, std::string rule = "Some rule", std::string source = "syscall") {
  Alert alert;
  alert.rule = std::move(rule);
  alert.source = std::move(source);
  std::sort(fields.begin(), fields.end());
  alert.fields = std::move(fields);
  return shape_of(alert);
}

TEST(Shape, ExecForgetsOutcomeAndIdentityKeepsTheCommand) {
  const Fields one = {{"evt.type", "execve"},  {"proc.name", "sh"},    {"proc.cmdline", "sh -c id"},
                      {"user.uid", "0"},       {"proc.pname", "runc"}, {"evt.res", "SUCCESS"},
                      {"container.id", "aaa"}, {"proc.tty", "34816"}};
  Fields two = {{"evt.type", "execveat"}, {"proc.name", "sh"},   {"proc.cmdline", "sh -c id"},
                {"user.uid", "0"},        {"evt.res", "EACCES"}, {"container.id", "bbb"}};
  EXPECT_EQ(shape(one), shape(two));
  EXPECT_EQ(shape(one), "exec proc=sh cmdline=\"sh -c id\" parent=<runtime> root=yes");
  two[2].second = "sh -c whoami";
  EXPECT_NE(shape(one), shape(two));
  two[2].second = "sh -c id";
  two[3].second = "1000";
  EXPECT_NE(shape(one), shape(two));
}

TEST(Shape, ReadKeepsTheDirectoryNotTheFile) {
  const auto read = [](std::string type, std::string file) {
    return shape({{"evt.type", type},
                  {"proc.name", "cat"},
                  {"proc.cmdline", "cat " + file},
                  {"proc.pname", "bash"},
                  {"fd.name", file}},
                 "Read sensitive file untrusted");
  };
  EXPECT_EQ(read("open", "/etc/shadow"), read("openat2", "/etc/sudoers"));
  EXPECT_EQ(read("open", "/etc/shadow"), "read proc=cat parent=bash dir=/etc");
  EXPECT_NE(read("open", "/etc/shadow"), read("open", "/etc/pam.d/su"));
}

TEST(Shape, WriteKeepsTheNormalisedFile) {
  const auto write = [](std::string file) {
    return shape({{"evt.type", "openat"}, {"proc.name", "sh"}, {"fd.name", file}},
                 "Write below etc");
  };
  EXPECT_EQ(write("/etc/x-a1b2c3"), write("/etc/x-d4e5f6"));
  EXPECT_NE(write("/etc/passwd"), write("/etc/hosts"));
  EXPECT_EQ(write("/f"), "write proc=sh dir=/ file=f");
}

TEST(Shape, NetworkForgetsTheClientsSide) {
  const auto connect = [](std::string name) {
    return shape({{"evt.type", "connect"},
                  {"fd.type", "ipv4"},
                  {"fd.l4proto", "tcp"},
                  {"proc.name", "nc"},
                  {"proc.cmdline", "nc h"},
                  {"fd.name", name}});
  };
  EXPECT_EQ(connect("172.17.0.5:47644->23.0.0.1:443"), connect("172.17.0.9:1025->23.9.9.9:443"));
  EXPECT_EQ(connect("172.17.0.5:47644->169.254.169.254:80"),
            "network proc=nc cmdline=\"nc h\" port=80 proto=tcp to=metadata");
  EXPECT_NE(connect("10.0.0.1:5->10.0.0.2:443"), connect("10.0.0.1:5->23.0.0.1:443"));
  EXPECT_NE(connect("10.0.0.1:5->10.0.0.2:443"), connect("10.0.0.1:5->10.0.0.2:444"));
  EXPECT_EQ(shape({{"evt.type", "connect"},
                   {"fd.type", "ipv4"},
                   {"fd.lport", "443"},
                   {"fd.rport", "47644"}}),
            "network port=443");
}

TEST(Shape, AuditAndCloud) {
  EXPECT_EQ(shape({{"ka.user.name", "eve"},
                   {"ka.verb", "create"},
                   {"ka.target.resource", "pods"},
                   {"ka.target.subresource", "exec"},
                   {"ka.target.namespace", "prod"},
                   {"ka.target.name", "web-1"}},
                  "r", "k8s_audit"),
            "k8s user=eve verb=create resource=pods/exec namespace=prod");
  const auto cloud = [](std::string session) {
    return shape({{"ct.user.arn", "arn:aws:sts::1:assumed-role/admin/" + session},
                  {"ct.name", "DeleteTrail"},
                  {"ct.src", "cloudtrail.amazonaws.com"}},
                 "r", "aws_cloudtrail");
  };
  EXPECT_EQ(cloud("a"), cloud("b"));
}

TEST(Shape, ValuesCannotForgeOthers) {
  EXPECT_NE(shape({{"proc.name", "a parent=b"}, {"proc.pname", "c"}}),
            shape({{"proc.name", "a"}, {"proc.pname", "b parent=c"}}));
  EXPECT_NE(shape({{"proc.name", "a\u202e"}}), shape({{"proc.name", "a"}}));
  EXPECT_EQ(shape({{"proc.name", "a\n\u202e"}}).find('\n'), std::string::npos);
}

TEST(Shape, LongOnesEndWithAHashOfTheWhole) {
  std::string text;
  while (text.size() < 5000) text += "zażółć ";
  const std::string one = shape({{"proc.cmdline", text + "x"}});
  EXPECT_LE(one.size(), 512U);
  EXPECT_NE(one, shape({{"proc.cmdline", text + "y"}}));
  EXPECT_EQ(one, shape({{"proc.cmdline", text + "x"}}));
}

}  // namespace
}  // namespace gyre::schemas
