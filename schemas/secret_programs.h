// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

// Who is given a password by an option that means something else to others, and who runs them.
namespace gyre::schemas {

/// How an option brings its secret.
enum class Form : std::uint8_t {
  kGlued,    // -pX only; -p alone asks for it
  kNext,     // -pX, -p=X, -p X
  kAlone,    // -k X only; -key is another option
  kColon,    // -u user:X
  kPercent,  // -U user%X
  kEquals,   // --from-literal=name=X
  kLast      // -b file user X
};

using Words = std::span<const std::string_view>;

struct Program {
  Words names;
  std::string_view verb;     // one of its words must be this
  std::string_view letters;  // of its options
  Words words;               // its long options
  Form form;
};

inline constexpr auto kMysql = std::to_array<std::string_view>(
    {"mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlcheck", "mysqlshow", "mysqlsh",
     "mariadb", "mariadb-dump", "mariadb-admin", "mariadb-check", "mariadb-import"});
inline constexpr auto kMongo =
    std::to_array<std::string_view>({"mongo", "mongosh", "mongodump", "mongorestore", "mongoexport",
                                     "mongoimport", "mongostat", "mongotop"});
inline constexpr auto kLdap =
    std::to_array<std::string_view>({"ldapsearch", "ldapadd", "ldapmodify", "ldapdelete",
                                     "ldappasswd", "ldapwhoami", "ldapcompare", "ldapmodrdn"});
inline constexpr auto kDirect = std::to_array<std::string_view>({"sshpass", "useradd", "usermod"});
inline constexpr auto kLogin =
    std::to_array<std::string_view>({"docker", "podman", "nerdctl", "helm", "oc", "az"});
inline constexpr auto kKubectl = std::to_array<std::string_view>({"kubectl", "oc"});
inline constexpr auto kOpenssl = std::to_array<std::string_view>({"openssl"});
inline constexpr auto kHtpasswd = std::to_array<std::string_view>({"htpasswd"});
inline constexpr auto kRedis = std::to_array<std::string_view>({"redis-cli"});
inline constexpr auto kFetch = std::to_array<std::string_view>({"curl", "wget"});
inline constexpr auto kSamba = std::to_array<std::string_view>({"smbclient", "rpcclient"});
inline constexpr auto kFetchWords = std::to_array<std::string_view>({"--user", "--proxy-user"});
inline constexpr auto kLiteralWord = std::to_array<std::string_view>({"--from-literal"});
inline constexpr auto kUserWord = std::to_array<std::string_view>({"--user"});

inline constexpr auto kPrograms =
    std::to_array<Program>({{kMysql, "", "p", {}, Form::kGlued},
                            {kMongo, "", "p", {}, Form::kNext},
                            {kLdap, "", "w", {}, Form::kNext},
                            {kDirect, "", "p", {}, Form::kNext},
                            {kLogin, "login", "p", {}, Form::kNext},
                            {kKubectl, "secret", "", kLiteralWord, Form::kEquals},
                            {kOpenssl, "", "kK", {}, Form::kAlone},
                            {kHtpasswd, "", "", {}, Form::kLast},
                            {kRedis, "", "a", {}, Form::kNext},
                            {kFetch, "", "uU", kFetchWords, Form::kColon},
                            {kSamba, "", "U", kUserWord, Form::kPercent}});

/// What runs another program: which of its options take a word, and how many words come before it.
struct Launcher {
  std::string_view name;
  std::string_view takes;
  int words = 0;
};
inline constexpr auto kLaunchers =
    std::to_array<Launcher>({{"sudo", "ughpCDRTUrt"}, {"doas", "uC"},
                             {"env", "uC"},           {"nice", "n"},
                             {"ionice", "cnp"},       {"nohup", ""},
                             {"setsid", ""},          {"exec", "a"},
                             {"command", ""},         {"time", "fo"},
                             {"timeout", "ks", 1},    {"xargs", "adEILnPs"},
                             {"stdbuf", "ioe"},       {"watch", "n"},
                             {"strace", "eopuPsaE"},  {"gosu", "", 1},
                             {"su-exec", "", 1},      {"chroot", "", 1},
                             {"flock", "wE", 1},      {"runuser", "ug"},
                             {"busybox", ""},         {"tini", "pe"},
                             {"dumb-init", ""},       {"unshare", ""},
                             {"nsenter", "tSG"},      {"ssh", "BbcDEeFIiJLlmOopQRSWw", 1}});

}  // namespace gyre::schemas
