// SPDX-License-Identifier: Apache-2.0
#include "schemas/shape.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/schemas/growth.h"

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
  EXPECT_EQ(shape({{"ka.user.name", "eve"},
                   {"ka.target.resource", "pods"},
                   {"ka.target.subresource", "exec"},
                   {"ka.uri.param[command]", "cat /proc/4711/environ"}},
                  "r", "k8s_audit"),
            shape({{"ka.user.name", "eve"},
                   {"ka.target.resource", "pods"},
                   {"ka.target.subresource", "exec"},
                   {"ka.uri.param[command]", "cat /proc/4712/environ"}},
                  "r", "k8s_audit"));
  const auto cloud = [](std::string session) {
    return shape({{"ct.user.arn", "arn:aws:sts::1:assumed-role/admin/" + session},
                  {"ct.name", "DeleteTrail"},
                  {"ct.src", "cloudtrail.amazonaws.com"}},
                 "r", "aws_cloudtrail");
  };
  EXPECT_EQ(cloud("a"), cloud("b"));
}

// What ruling 8 leaves out never changes a shape; what it puts in always does.
struct Kind {
  const char* name;
  std::string rule;
  std::string source;
  Fields fields;
  Fields parts;  // each, put in alone, makes another shape
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"exec",
       "Some rule",
       "syscall",
       {{"evt.type", "execve"},
        {"proc.name", "sh"},
        {"proc.cmdline", "sh -c id"},
        {"proc.pname", "bash"},
        {"user.uid", "0"}},
       {{"proc.name", "dash"},
        {"proc.cmdline", "sh -c ls"},
        {"proc.pname", "zsh"},
        {"user.uid", "33"}}},
      {"dropped",
       "Drop and execute new binary in container",
       "syscall",
       {{"evt.type", "execve"},
        {"proc.name", "x"},
        {"proc.cmdline", "x -q"},
        {"proc.exepath", "/srv/x"},
        {"proc.pname", "bash"}},
       {{"proc.exepath", "/opt/x"}, {"proc.cmdline", "x -v"}, {"proc.pname", "zsh"}}},
      {"process",
       "PTRACE attached to process",
       "syscall",
       {{"evt.type", "ptrace"},
        {"proc.name", "gdb"},
        {"proc.cmdline", "gdb a"},
        {"proc.pname", "bash"}},
       {{"proc.name", "strace"}, {"proc.cmdline", "gdb b"}, {"proc.pname", "zsh"}}},
      {"read",
       "Read sensitive file untrusted",
       "syscall",
       {{"evt.type", "openat"},
        {"proc.name", "cat"},
        {"proc.pname", "bash"},
        {"fd.name", "/etc/shadow"}},
       {{"proc.name", "tac"}, {"proc.pname", "zsh"}, {"fd.name", "/etc/pam.d/su"}}},
      {"write",
       "Write below etc",
       "syscall",
       {{"evt.type", "openat"}, {"proc.name", "tee"}, {"fd.name", "/etc/hosts"}},
       {{"proc.name", "dd"}, {"fd.name", "/etc/passwd"}, {"fd.name", "/etc/ssh/hosts"}}},
      {"link",
       "Create Symlink Over Sensitive Files",
       "syscall",
       {{"evt.type", "symlinkat"},
        {"proc.name", "ln"},
        {"evt.arg.target", "/etc"},
        {"evt.arg.linkpath", "/srv/l"}},
       {{"evt.arg.target", "/root"}, {"evt.arg.linkpath", "/srv/m"}}},
      {"file",
       "Container Access to Host Sensitive Paths",
       "syscall",
       {{"evt.type", "openat"},
        {"proc.name", "cat"},
        {"proc.pname", "bash"},
        {"fd.name", "/host/etc/shadow"}},
       {{"proc.name", "tac"}, {"proc.pname", "zsh"}, {"fd.name", "/host/etc/hosts"}}},
      {"network",
       "Some rule",
       "syscall",
       {{"evt.type", "connect"},
        {"proc.name", "nc"},
        {"proc.cmdline", "nc h"},
        {"fd.name", "10.0.0.5:41234->10.0.0.9:443"},
        {"fd.l4proto", "tcp"}},
       {{"proc.name", "ncat"},
        {"proc.cmdline", "nc i"},
        {"fd.name", "10.0.0.5:41234->10.0.0.9:444"},
        {"fd.name", "10.0.0.5:41234->203.0.113.9:443"},
        {"fd.name", "10.0.0.5:41234->169.254.169.254:443"},
        {"fd.l4proto", "udp"}}},
      {"audit",
       "Some rule",
       "k8s_audit",
       {{"ka.user.name", "eve"},
        {"ka.verb", "create"},
        {"ka.target.resource", "pods"},
        {"ka.target.namespace", "prod"}},
       {{"ka.user.name", "4f1e0c36-7a52-4a0e-9f0e-2b7d3c1a9e55"},
        {"ka.user.name", "4f1e0c36-7a52-4a0e-9f0e-2b7d3c1a9e56"},
        {"ka.verb", "delete"},
        {"ka.target.resource", "secrets"},
        {"ka.target.subresource", "exec"},
        {"ka.uri.param[command]", "cat /run/secrets/db"},
        {"ka.uri.param[command]", "ls"},
        {"ka.target.namespace", "test"}}},
      {"cloud",
       "Some rule",
       "aws_cloudtrail",
       {{"ct.user", "eve"}, {"ct.name", "DeleteTrail"}, {"ct.src", "cloudtrail.amazonaws.com"}},
       {{"ct.user", "100200300"},
        {"ct.user", "100200301"},
        {"ct.name", "StopLogging"},
        {"ct.src", "iam.amazonaws.com"}}},
  };
  return all;
}

Fields with(Fields fields, const std::pair<std::string, std::string>& other) {
  std::erase_if(fields, [&](const auto& field) { return field.first == other.first; });
  fields.push_back(other);
  return fields;
}

TEST(Shape, EachPartMakesAnother) {
  for (const auto& kind : kinds()) {
    std::set<std::string> shapes = {shape(kind.fields, kind.rule, kind.source)};
    for (const auto& part : kind.parts)
      EXPECT_TRUE(shapes.insert(shape(with(kind.fields, part), kind.rule, kind.source)).second)
          << kind.name << ": " << part.first << "=" << part.second;
  }
}

TEST(Shape, WhatRulingEightLeavesOutChangesNothing) {
  const Fields chance = {{"container.id", "c61b4b13ae44"},
                         {"container.image.repository", "img"},
                         {"container.name", "n"},
                         {"ct.error", "AccessDenied"},
                         {"ct.id", "1"},
                         {"cluster", "prod-1"},
                         {"evt.arg.flags", "O_CREAT|O_F_CREATED"},
                         {"evt.args", "fd=7 name=/x"},
                         {"evt.failed", "true"},
                         {"evt.rawres", "-13"},
                         {"evt.res", "EACCES"},
                         {"evt.time", "1700000000000000000"},
                         {"fd.num", "7"},
                         {"k8s.pod.name", "web-0"},
                         {"ka.response.code", "403"},
                         {"ka.auth.reason", "x"},
                         {"my.custom", "x"},
                         {"proc.aname[2]", "x"},
                         {"proc.cwd", "/tmp/"},
                         {"proc.pid", "4242"},
                         {"proc.ppid", "4241"},
                         {"proc.tty", "34817"},
                         {"proc.vpid", "7"},
                         {"thread.tid", "4242"},
                         {"user.loginuid", "1000"},
                         {"user.loginname", "eve"}};
  for (const auto& kind : kinds()) {
    const std::string one = shape(kind.fields, kind.rule, kind.source);
    for (const auto& field : chance)
      EXPECT_EQ(shape(with(kind.fields, field), kind.rule, kind.source), one)
          << kind.name << ": " << field.first;
  }
}

TEST(Shape, AVariantOfTheSystemCallIsTheSame) {
  const auto typed = [](const char* kind, const char* type) {
    const auto is = std::find_if(kinds().begin(), kinds().end(),
                                 [&](const Kind& one) { return one.name == std::string(kind); });
    return shape(with(is->fields, {"evt.type", type}), is->rule, is->source);
  };
  EXPECT_EQ(typed("exec", "execve"), typed("exec", "execveat"));
  EXPECT_EQ(typed("read", "open"), typed("read", "openat2"));
  EXPECT_EQ(typed("write", "open"), typed("write", "openat"));
  EXPECT_EQ(typed("link", "symlink"), typed("link", "symlinkat"));
  EXPECT_EQ(typed("network", "connect"), typed("network", "sendto"));
}

TEST(Shape, OnlyRandomPartsDifferSoOneShape) {
  const auto drop = [](const std::string& suffix, const std::string& name) {
    return shape({{"evt.type", "execve"},
                  {"proc.name", name},
                  {"proc.cmdline", name + " -q"},
                  {"proc.exepath", "/tmp/" + suffix},
                  {"proc.pname", "bash"}},
                 "Drop and execute new binary in container");
  };
  EXPECT_EQ(drop(".k-wxkqzj", ".k-wxkqzj"), drop(".k-aB3dEf", ".k-aB3dEf"));
  // The kernel cuts the name at fifteen bytes, in the middle of what is random.
  EXPECT_EQ(drop("backup-worker-a1B2c3", "backup-worker-a"),
            drop("backup-worker-Zx9Yw8", "backup-worker-Z"));
  EXPECT_NE(drop("backup-worker-a1B2c3", "backup-worker-a"),
            drop("backup-master", "backup-master"));
  const auto connect = [](const std::string& from) {
    return shape({{"evt.type", "connect"},
                  {"proc.name", "probe"},
                  {"proc.cmdline", "probe --to 10.1.2." + from},
                  {"fd.name", "10.0.0." + from + ":4" + from + "000->10.1.2." + from + ":8080"}});
  };
  EXPECT_EQ(connect("1"), connect("2"));
}

TEST(Shape, OlderSensorsMakeTheSame) {
  EXPECT_EQ(shape({{"evt.type", "execve"}, {"proc.name", "bash"}, {"proc.cmdline", "bash "}}),
            shape({{"evt.type", "execve"}, {"proc.name", "bash"}, {"proc.cmdline", "bash"}}));
  const Fields audit = {
      {"ka.user.name", "eve"}, {"ka.verb", "create"}, {"ka.target.resource", "pods"}};
  EXPECT_EQ(shape(audit, "r", "syscall"), shape(audit, "r", "k8s_audit"));
}

TEST(Shape, OfSocketsThatHaveNoPort) {
  EXPECT_EQ(shape({{"evt.type", "connect"},
                   {"fd.type", "unix"},
                   {"fd.name", "ffff9c4a->ffff9c4b /run/docker.sock"},
                   {"proc.name", "curl"}}),
            "network proc=curl socket=/run/docker.sock");
  EXPECT_EQ(shape({{"evt.type", "accept4"},
                   {"fd.name", "203.0.113.9:41000->10.0.0.5:22"},
                   {"proc.name", "sshd"}}),
            "network proc=sshd port=22 to=private from=public");
}

TEST(Shape, OfRequestsThatNameNoResource) {
  const auto asked = [](std::string uri) {
    return shape({{"ka.user.name", "system:anonymous"}, {"ka.uri", uri}, {"ka.verb", "get"}},
                 "Anonymous Request Allowed", "k8s_audit");
  };
  EXPECT_EQ(asked("/api/v1/namespaces/prod/pods/web-1/log?follow=1"),
            "k8s user=system:anonymous verb=get resource=pods/log namespace=prod");
  EXPECT_EQ(asked("/apis/apps/v1/deployments?limit=500"),
            "k8s user=system:anonymous verb=get resource=deployments");
  EXPECT_EQ(asked("/api/v1/namespaces/prod"),
            "k8s user=system:anonymous verb=get resource=namespaces");
  EXPECT_EQ(asked("/healthz?verbose"), "k8s user=system:anonymous verb=get resource=/healthz");
  EXPECT_NE(asked("/api/v1/secrets"), asked("/api/v1/configmaps"));
}

struct Audited {
  const char* source;
  Fields fields;
  const char* shape;
};

TEST(Shape, OfEveryPluginSource) {
  const std::vector<Audited> cases = {
      {"aws_cloudtrail",
       {{"ct.user", "eve"}, {"ct.name", "PutBucketPolicy"}, {"ct.src", "s3.amazonaws.com"}},
       "cloud actor=eve action=PutBucketPolicy object=s3.amazonaws.com"},
      {"aws_cloudtrail",
       {{"ct.user.principalid", "AROAEXAMPLEEXAMPLE:session-7"}},
       "cloud actor=AROAEXAMPLEEXAMPLE"},
      {"gcp_auditlog",
       {{"gcp.user", "1234567-compute@dev.example"},
        {"gcp.methodName", "storage.buckets.delete"},
        {"gcp.serviceName", "storage.example"}},
       "cloud actor=1234567-compute@dev.example action=storage.buckets.delete "
       "object=storage.example"},
      {"okta",
       {{"okta.actor.name", "Eve"},
        {"okta.evt.type", "group.user_membership.add"},
        {"okta.target.group.name", "admins"}},
       "cloud actor=Eve action=group.user_membership.add object=group"},
      {"github",
       {{"github.user", "eve"}, {"github.action", "publicized"}, {"github.type", "repository"}},
       "cloud actor=eve action=publicized object=repository"},
      {"docker",
       {{"docker.action", "exec_start"}, {"docker.type", "container"}},
       "cloud action=exec_start object=container"},
      {"keycloak",
       {{"keycloak.admin.authDetails.userID", "u-1"},
        {"keycloak.admin.operationType", "DELETE"},
        {"keycloak.admin.resourceType", "USER"}},
       "cloud actor=u-1 action=DELETE object=USER"},
      {"gitlab",
       {{"gitlab.author_name", "eve"}, {"gitlab.op_type", "add"}, {"gitlab.target_type", "Key"}},
       "cloud actor=eve action=add object=Key"},
      {"salesforce",
       {{"salesforce.username", "eve"}, {"salesforce.eventtype", "LoginEvent"}},
       "cloud actor=eve action=LoginEvent"},
      // Sources that nobody told us of.
      {"azure_platform",
       {{"azure.caller", "eve@corp"},
        {"azure.operationName", "Delete vault"},
        {"azure.resourceType", "Vaults"},
        {"azure.correlationId", "123e4567-e89b-12d3-a456-426614174000"}},
       "cloud actor=eve@corp action=\"Delete vault\" object=Vaults"},
      {"something_new", {{"foo.bar", "1"}, {"foo.baz", "2"}}, "cloud"},
      {"krsi_like",
       {{"evt.type", "openat"}, {"proc.name", "cat"}, {"fd.name", "/etc/shadow"}},
       "file proc=cat parent=<runtime> dir=/etc file=shadow"},
  };
  for (const auto& [source, fields, expected] : cases)
    EXPECT_EQ(shape(fields, "Some rule", source), expected) << source;
}

TEST(Shape, ValuesCannotForgeOthers) {
  EXPECT_NE(shape({{"proc.name", "a parent=b"}, {"proc.pname", "c"}}),
            shape({{"proc.name", "a"}, {"proc.pname", "b parent=c"}}));
  const std::string marked = shape({{"proc.name", "a\u202e"}});
  EXPECT_NE(marked, shape({{"proc.name", "a"}}));
  EXPECT_NE(marked, shape({{"proc.name", "a" + marked.substr(marked.find('#'), 33)}}));
  EXPECT_EQ(shape({{"proc.name", "a\n\u202e"}}).find('\n'), std::string::npos);
  EXPECT_NE(shape({{"proc.name", "x"}, {"proc.pname", "<runtime>"}}), shape({{"proc.name", "x"}}));
}

// A hostile process gives whatever it likes: length, bytes, quotes.
TEST(Shape, IsShortAndValidWhateverTheValues) {
  const char* const repeat = std::getenv("GYRE_SEED");
  const unsigned long seed = repeat ? std::stoul(repeat) : 20260101;
  std::mt19937_64 random(seed);
  const std::vector<std::string> pieces = {"a",        "\"",     "\\",       " ",         "=",
                                           "\u202e",   "\u00e9", "\u4e2d",   "\x01",      "/tmp/x-",
                                           "<random>", "#",      "1a2B3c4D", "\U0001f600"};
  const auto value = [&] {
    std::string out;
    for (auto n = random() % 300; n > 0; --n) out += pieces[random() % pieces.size()];
    return out;
  };
  for (int i = 0; i < 3000; ++i) {
    const auto& kind = kinds()[random() % kinds().size()];
    Fields fields = kind.fields;
    for (auto& field : fields)
      if (field.first != "evt.type" && random() % 2 == 0) field.second = value();
    const std::string one = shape(fields, kind.rule, kind.source);
    ASSERT_LE(one.size(), 512U) << "seed " << seed;
    ASSERT_TRUE(simdjson::validate_utf8(one.data(), one.size())) << "seed " << seed;
    ASSERT_EQ(one.find('\x01'), std::string::npos);
  }
}

TEST(Shape, IsLinear) {
  for (const auto* name : {"proc.cmdline", "fd.name", "ka.uri"}) {
    for (const std::string unit :
         {"a/", "/tmp/", "namespaces/", "1.2.3.4 ", "\u202e", "->", "::"}) {
      const auto shapes = [&](const std::string& text) {
        shape({{"evt.type", "openat"}, {name, "/" + text}}, "Write below etc");
        shape({{"evt.type", "connect"}, {name, "/" + text}});
        shape({{name, "/" + text}}, "r", "k8s_audit");
      };
      EXPECT_LT(growth(unit, 1U << 20, shapes), kLinear) << unit;
    }
  }
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
