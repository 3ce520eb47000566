// SPDX-License-Identifier: Apache-2.0
#include "schemas/secrets.h"

#include <algorithm>

#include "schemas/ascii.h"

namespace gyre::schemas {

namespace {

using Hints = std::span<const std::string_view>;

constexpr std::size_t kFar = 256;  // further than that nobody looks, RE2 decides

bool is_word(char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; }

// `passwd` in `PASSWD_1 = x`, in `{\"passwd\":`, but not in `/etc/passwd file`.
bool is_assigned(std::string_view text, std::size_t at, std::size_t size) {
  const std::size_t limit = std::min(text.size(), at + size + kFar);
  std::size_t end = at + size;
  while (end < limit && is_word(text[end])) ++end;
  while (end < limit && text[end] == '\\') ++end;
  if (end < limit && (text[end] == '"' || text[end] == '\'')) ++end;
  if (end < limit && std::string_view(" \t\n\f\r").find(text[end]) != std::string_view::npos) ++end;
  return end == limit ? limit < text.size() : text[end] == '=' || text[end] == ':';
}

// `password` in `--db-password x`.
bool is_option(std::string_view text, std::size_t at, std::size_t) {
  std::size_t from = at;
  while (from > 0 && at - from < kFar && (is_alnum(text[from - 1]) || text[from - 1] == '-'))
    --from;
  return at - from == kFar || (from < at && text[from] == '-');
}

constexpr auto kPrivateKey = std::to_array<std::string_view>({"private key"});
constexpr auto kAuthorization = std::to_array<std::string_view>({"authorization"});
constexpr auto kBearer = std::to_array<std::string_view>({"bearer"});
constexpr auto kAws = std::to_array<std::string_view>({"AKIA", "ASIA", "AROA", "AIDA"});
// The header of a JSON Web Token is base64 of `{"` and a small letter: eyJ and one of these.
constexpr auto kTokens = std::to_array<std::string_view>(
    {"ghp_", "gho_",     "ghu_",     "ghs_",     "ghr_",     "github_pat_", "glpat-", "xoxa",
     "xoxb", "xoxe",     "xoxp",     "xoxr",     "xoxs",     "hvs.",        "hvb.",   "hvr.",
     "npm_", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "AIza",        "eyJh",   "eyJi",
     "eyJj", "eyJk",     "eyJl",     "eyJm",     "eyJn",     "eyJo",        "eyJp",   "eyJq",
     "eyJr", "eyJs",     "eyJt",     "eyJu",     "eyJv",     "eyJw",        "eyJx",   "eyJy",
     "eyJz", "eyJ0",     "eyJ1",     "eyJ2",     "eyJ3",     "eyJ4",        "eyJ5",   "eyJ6"});
constexpr auto kHooks = std::to_array<std::string_view>(
    {"hooks.slack.com/", "discord.com/api/", "discordapp.com/api/"});
constexpr auto kCookie = std::to_array<std::string_view>({"cookie"});
constexpr auto kNames = std::to_array<std::string_view>(
    {"pass",        "secret",      "token",      "api_key",     "api-key",     "apikey",
     "access_key",  "access-key",  "accesskey",  "account_key", "account-key", "accountkey",
     "private_key", "private-key", "privatekey", "credential",  "_pwd",        "sessid",
     "sess_id",     "sess-id",     "sessionid",  "session_id",  "session-id"});
constexpr auto kConfig = std::to_array<std::string_view>({"config"});
constexpr auto kOptions =
    std::to_array<std::string_view>({"pass", "secret", "token", "api-key", "apikey", "access-key",
                                     "accesskey", "private-key", "privatekey", "bearer"});
// Of useradd, usermod and openssl what no name of a field has.
constexpr auto kPrograms = std::to_array<std::string_view>(
    {"mysql", "mariadb", "mongo", "ldap", "sshpass", "eradd", "ermod", "login", "redis-cli", "curl",
     "wget", "smbclient", "rpcclient", "enssl", "htpasswd", "from-literal"});
constexpr auto kChpasswd = std::to_array<std::string_view>({"chpasswd"});

// What a shell would run, `$(...)` or a backtick, is no secret: a value ends before it, and one
// that has it in quotes is left whole, so that nobody hides a command as a token. Without quotes it
// ends where the command ends. `ends` is inside [].
#define GYRE_PLAIN(ends) "(?:[^" ends "$`]|\\$+[^" ends "$(`])"
#define GYRE_INSIDE(ends) GYRE_PLAIN(ends) "*\\$*(?:`" GYRE_PLAIN(ends) "*\\$*)?"
// Between double quotes a backslash keeps the next one.
#define GYRE_ESCAPABLE "(?:[^\"\\\\$`]|\\\\[\\s\\S]|\\$+(?:[^\"\\\\$(`]|\\\\[\\s\\S]))"
#define GYRE_QUOTED \
  "\"" GYRE_ESCAPABLE "*\\$*(?:`" GYRE_ESCAPABLE "*\\$*)?\"|'" GYRE_INSIDE("'") "'"
#define GYRE_ENDS "|;&<>()"
// One value: quoted, quoted inside quoted JSON, or up to the next separator.
#define GYRE_VALUE  \
  "(?:" GYRE_QUOTED \
  "|\\\\+\"" GYRE_INSIDE("\"\\\\") "\\\\+\"|" GYRE_PLAIN("\\s\"',\\\\" GYRE_ENDS) "+)"

// Parts of PEM. Its lines may have become blanks, escapes, or nothing.
#define GYRE_LINE_END "(?:[\\r\\n]|\\\\+[nr])"
#define GYRE_GAP "(?:[\\s.]|\\\\+[nr])"
#define GYRE_BASE64 "(?:[a-z0-9+/=]|\\\\+/)"
#define GYRE_PEM_END "-----END [a-z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
#define GYRE_PEM_HEADERS                                                                       \
  "(?:(?:Proc-Type: ?4,ENCRYPTED|DEK-Info: ?[a-z0-9-]{1,30},[0-9a-f]{1,64}|"                   \
  "(?:Version|Comment|Charset|Hash): ?[^\\r\\n\\\\;|&$`<>()]{0,80}" GYRE_LINE_END ")" GYRE_GAP \
  "*)*"
// Whole lines, maybe a last one and the end; one line and the end; the begin of one line. A path
// behind the header that somebody searches for is none of these.
#define GYRE_PEM_BODY                                                                            \
  "(?:" GYRE_GAP "*[a-z0-9+=]" GYRE_BASE64 "{31,}(?:" GYRE_GAP "+" GYRE_BASE64                   \
  "{32,})*(?:" GYRE_GAP "*" GYRE_BASE64 "*" GYRE_GAP "*(?:=" GYRE_BASE64 "{4}" GYRE_GAP          \
  "*)?" GYRE_PEM_END "|" GYRE_LINE_END "+" GYRE_BASE64 "+)?|" GYRE_GAP "*[a-z0-9+=]" GYRE_BASE64 \
  "{0,30}" GYRE_GAP "*" GYRE_PEM_END "|" GYRE_LINE_END "+[a-z0-9+=]" GYRE_BASE64 "{0,30})"

constexpr auto kRows = std::to_array<SecretRow>({
    {"private_key",
     "PEM, with or without its end; a header alone is what people search for",
     kPrivateKey,
     {"-----begin ", {}},
     nullptr,
     "(?i)-----BEGIN [a-z0-9 ]*PRIVATE KEY(?: BLOCK)?-----" GYRE_GAP
     "*" GYRE_PEM_HEADERS GYRE_PEM_BODY,
     "<redacted>",
     0,
     "-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY----- x",
     "<redacted> x"},
    {"user_info",
     "RFC 3986: user and password in a URL",
     {},
     {"@", "://"},
     nullptr,
     R"((?i)\b([a-z][a-z0-9+.-]*://))" GYRE_PLAIN(R"(\s/@:"')" GYRE_ENDS) "*:" GYRE_PLAIN(
         R"(\s/"')" GYRE_ENDS) "+@",
     R"(\1<redacted>@)",
     0,
     "git clone https://eve:hunter2@host/a",
     "git clone https://<redacted>@host/a"},
    {"authorization",
     "RFC 9110: the header's value",
     kAuthorization,
     {},
     nullptr,
     R"((?i)\b(authorization\\*["']?\s*[:=]\s*\\*["']?(?:(?:bearer|basic|token|digest|negotiate)\s+)?)()" GYRE_PLAIN(
         R"(\s"',\\)" GYRE_ENDS) "+)",
     R"(\1<redacted>)",
     2,
     "curl -H 'Authorization: Basic ZXZlOng=' h",
     "curl -H 'Authorization: Basic <redacted>' h"},
    {"bearer",
     "RFC 6750: a token wherever it is said to be one",
     kBearer,
     {},
     nullptr,
     R"((?i)\b(bearer\s+)([a-z0-9._~+/=-]{8,}))",
     R"(\1<redacted>)",
     2,
     "-H bearer abcdefgh12",
     "-H bearer <redacted>"},
    {"aws_key_id",
     "AWS: ids of keys, roles and users, which name an account",
     kAws,
     {},
     nullptr,
     R"(\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b)",
     "<redacted>",
     0,
     "id AKIAABCDEFGHIJKLMNOP x",
     "id <redacted> x"},
    {"token",
     "tokens with a prefix of their maker (GitHub, GitLab, Slack, Google, Vault, npm, Stripe), "
     "JSON "
     "Web Tokens",
     kTokens,
     {},
     nullptr,
     R"(\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|hv[sbr]\.[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{30,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{30,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?))",
     "<redacted>",
     0,
     "login ghp_0123456789abcdefghijABCD",
     "login <redacted>"},
    {"webhook",
     "whoever knows a webhook's address may post to it",
     kHooks,
     {},
     nullptr,
     R"((?i)\b(hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/[0-9]+/)[a-z0-9/_-]+)",
     R"(\1<redacted>)",
     0,
     "curl https://hooks.slack.com/services/T0/B0/XXXX",
     "curl https://hooks.slack.com/services/<redacted>"},
    {"cookie",
     "RFC 6265: the first one's value; whose name says more is a pair",
     kCookie,
     {},
     nullptr,
     R"((?i)(\bcookie\\*["']?\s*:\s*\\*["']?[\w.-]+=)()" GYRE_PLAIN(R"(\s"',\\)" GYRE_ENDS) "+)",
     R"(\1<redacted>)",
     2,
     "curl -H Cookie:session=abcdef h",
     "curl -H Cookie:session=<redacted> h"},
    {"pair",
     "name and value, as in the environment, in a query, in JSON",
     kNames,
     {},
     is_assigned,
     R"((?i)(^|[^\w/.-])(-{0,2}(?:[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|credential|sess(?:ion)?[_-]?id|_pass|_pwd)[\w.-]*|pass)\\*["']?\s?[=:]\s?)()" GYRE_VALUE
     ")",
     R"(\1\2<redacted>)",
     3,
     R"(PGPASSWORD=x psql {"api_key":"y"})",
     R"(PGPASSWORD=<redacted> psql {"api_key":<redacted>})"},
    {"option",
     "an option whose name says it, its value behind a blank",
     kOptions,
     {},
     is_option,
     R"((?i)(^|\s)(--?(?:[a-z0-9]+-)*(?:password|passwd|passphrase|pass|token|secret|bearer|api-?key|access-?key|secret-?key|private-?key)\s+)()" GYRE_QUOTED
     R"(|(?:[^\s"'$`|;&<>()-]|\$+[^\s"'$(`|;&<>()]))" GYRE_PLAIN(R"(\s"')" GYRE_ENDS) "*)",
     R"(\1\2<redacted>)",
     3,
     "app --client-secret x --port 1",
     "app --client-secret <redacted> --port 1"},
    {"setting",
     "a setting whose name says it, as aws, npm and gcloud take them",
     kConfig,
     {" set ", {}},
     nullptr,
     R"((?i)(\bconfig(?:ure)?\s+set\s+[^\s|;&<>()]*?(?:passw(?:or)?d|secret|token|api[_-]?key|access[_-]?key|credential)[\w.-]*\s+)()" GYRE_VALUE
     ")",
     R"(\1<redacted>)",
     2,
     "aws configure set aws_secret_access_key x",
     "aws configure set aws_secret_access_key <redacted>"},
    {"program",
     "options that are a password to one program and something else to others",
     kPrograms,
     {"-", {}},
     nullptr,
     "",
     "",
     0,
     "mysql -u root -phunter2 db",
     "mysql -u root -p<redacted> db"},
    {"chpasswd",
     "user:password into chpasswd",
     kChpasswd,
     {"echo", {}},
     nullptr,
     R"((?i)(\becho\s+["']?[\w.-]+:))" GYRE_PLAIN(
         R"(\s"')" GYRE_ENDS) R"(+(["']?\s*\|\s*(?:sudo\s+)?chpasswd))",
     R"(\1<redacted>\2)",
     0,
     "echo root:hunter2 | chpasswd",
     "echo root:<redacted> | chpasswd"},
});
static_assert(kRows.size() <= 32);

}  // namespace

std::span<const SecretRow> secret_rows() { return kRows; }

}  // namespace gyre::schemas
