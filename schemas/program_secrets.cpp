// SPDX-License-Identifier: Apache-2.0
#include "schemas/program_secrets.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "schemas/ascii.h"
#include "schemas/secret_programs.h"
#include "schemas/secret_value.h"

namespace gyre::schemas {

namespace {

constexpr std::string_view kRedacted = "<redacted>";
constexpr std::string_view kUnknown = "<NA>";

// Of a word, unless one of the two above begins there.
constexpr auto kEndsWord = [] {
  std::array<bool, 256> ends{};
  for (const char c : std::string_view(" \t\r\n;|&()<>`"))
    ends[static_cast<unsigned char>(c)] = true;
  return ends;
}();

template <typename List>
bool is_in(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool is_shell(std::string_view name) {
  return is_in(std::to_array<std::string_view>({"sh", "bash", "dash", "ash", "zsh", "ksh", "su"}),
               name);
}
bool is_keyword(std::string_view word) {
  return is_in(std::to_array<std::string_view>(
                   {"then", "do", "else", "elif", "if", "while", "until", "!", "{"}),
               word);
}
// Of `docker exec`, `docker run`: options without a word of their own.
bool is_docker_flag(std::string_view word) {
  if (!word.starts_with("--"))
    return word.find_first_not_of("itdqP", 1) == std::string_view::npos || word.size() > 2;
  return word.find('=') != std::string_view::npos ||
         is_in(std::to_array<std::string_view>({"--rm", "--interactive", "--tty", "--detach",
                                                "--privileged", "--init", "--read-only"}),
               word);
}

// Reads a text as a shell would, roughly: Falco joins a command line with blanks, its quotes gone.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::string read() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ';' || c == '|' || c == '&' || c == '(' || c == '`' || c == '\n') {
        begin_command();
        ++at_;
      } else if ((c == '<' && word_end(at_) == at_) || c == '>') {
        redirect();
      } else if (is_space(c) || c == ')') {
        ++at_;
      } else {
        const std::size_t begin = at_;
        at_ = word_end(begin);
        word(begin);
      }
    }
    if (copied_ == 0) return std::string(text_);
    out_.append(text_, copied_);
    return std::move(out_);
  }

 private:
  enum class State : std::uint8_t {
    kCommand,
    kShell,
    kLauncher,
    kBehindDashes,
    kDocker,
    kProgram,
    kOther
  };

  void begin_command() {
    state_ = State::kCommand;
    program_ = nullptr;
    skip_ = value_next_ = is_batch_ = false;
  }

  // `<` and `>` with what belongs to them; the file's name is no word of the command.
  void redirect() {
    for (++at_; at_ < text_.size() && (text_[at_] == '>' || text_[at_] == '&');) ++at_;
    if (at_ < text_.size() && text_[at_] != '(') skip_ = true;
  }

  std::size_t word_end(std::size_t at) const {
    while (true) {
      while (at < text_.size() && !kEndsWord[static_cast<unsigned char>(text_[at])]) ++at;
      const std::string_view rest = text_.substr(at);
      if (rest.starts_with(kRedacted))
        at += kRedacted.size();
      else if (rest.starts_with(kUnknown))
        at += kUnknown.size();
      else
        return at;
    }
  }

  static std::string_view without_quotes(std::string_view word) {
    const std::size_t begin = std::min(word.find_first_not_of("\"'"), word.size());
    word.remove_prefix(begin);
    return word.substr(0, word.find_last_not_of("\"'") + 1);
  }

  // What stands behind `command=` in a sensor's message; the word itself, unless it assigns.
  static std::string_view behind_assignment(std::string_view word, bool& assigns) {
    const std::size_t equals = word.find('=');
    assigns = equals != std::string_view::npos && word.front() != '-' && word.front() != '/';
    if (!assigns) return word;
    const std::string_view name = word.substr(0, equals);
    if (!name.ends_with("command") && !name.ends_with("cmdline") && !name.ends_with("cmd"))
      return {};
    return word.substr(equals + 1);
  }

  void word(std::size_t begin) {
    const std::string_view whole = text_.substr(begin, at_ - begin);
    if (value_next_) {
      value_next_ = false;
      if (whole.front() != '-') return hide(begin);
    }
    if (skip_) {
      skip_ = false;
      return;
    }
    bool assigns = false;
    const std::string_view told = behind_assignment(whole, assigns);
    if (assigns && !told.empty()) {
      begin_command();
      return command(told);
    }
    switch (state_) {
      case State::kCommand:
        if (!assigns && !is_keyword(whole)) command(whole);
        return;
      case State::kShell:
        if (whole.front() == '-' && whole.back() == 'c' && whole.size() <= 6) begin_command();
        return;
      case State::kBehindDashes:
        if (whole == "--") begin_command();
        if (whole == "login" || whole == "secret") in_verb(whole);
        return;
      case State::kLauncher:
        return launched(whole, assigns);
      case State::kDocker:
        return docker(whole);
      case State::kProgram:
        if (whole == "--") return begin_command();
        return program_->form == Form::kLast ? batch(whole, begin) : option(whole, begin);
      case State::kOther:
        // A quoted command: ssh host 'mysql -pX'
        if ((whole.front() == '"' || whole.front() == '\'') &&
            whole.find(whole.front(), 1) == std::string_view::npos)
          command(whole);
        if (is_find_ && (whole == "-exec" || whole == "-execdir")) begin_command();
        return;
    }
  }

  void command(std::string_view word) {
    word = without_quotes(word);
    const std::string_view name = word.substr(word.rfind('/') + 1);
    state_ = State::kOther;
    is_find_ = name == "find";
    words_ = 0;
    if (is_shell(name)) {
      state_ = State::kShell;
    } else if (is_in(std::to_array<std::string_view>({"docker", "podman", "nerdctl", "crictl"}),
                     name)) {
      state_ = State::kDocker;
    } else if (is_in(std::to_array<std::string_view>({"kubectl", "oc", "helm", "az"}), name)) {
      state_ = State::kBehindDashes;
    }
    for (const Launcher& launcher : kLaunchers)
      if (launcher.name == name) {
        state_ = State::kLauncher;
        launcher_ = &launcher;
        words_ = launcher.words;
      }
    for (const Program& program : kPrograms)
      if (is_in(program.names, name) && program.verb.empty()) {
        state_ = State::kProgram;
        program_ = &program;
      }
  }

  void in_verb(std::string_view verb) {
    state_ = State::kProgram;
    program_ = std::find_if(kPrograms.begin(), kPrograms.end(),
                            [&](const Program& program) { return program.verb == verb; });
  }

  void launched(std::string_view word, bool assigns) {
    if (word == "--") return begin_command();
    if (word.front() == '-') {
      // `su`, `runuser` hand a command to a shell.
      if (launcher_->name == "runuser" && word == "-c") return begin_command();
      skip_ = word.size() == 2 && launcher_->takes.find(word[1]) != std::string_view::npos;
      return;
    }
    if (assigns) return;
    if (words_-- > 0) return;
    command(word);
  }

  void docker(std::string_view word) {
    if (word.front() == '-') {
      skip_ = !is_docker_flag(word);
    } else if (words_ == 0 && word == "login") {
      in_verb(word);
    } else if (words_ == 0) {
      if (word == "exec" || word == "run")
        words_ = 1;
      else if (word != "compose" && word != "container")
        state_ = State::kOther;
    } else if (--words_ == 0) {  // the container's or the image's name
      begin_command();
    }
  }

  void option(std::string_view word, std::size_t begin) {
    if (word.size() < 2 || word.front() != '-') return;
    if (word[1] == '-') {
      const std::size_t equals = std::min(word.find('='), word.size());
      if (!is_in(program_->words, word.substr(0, equals))) return;
      if (equals == word.size())
        value_next_ = true;
      else
        hide(begin + equals + 1);
      return;
    }
    const auto is_letter = [&](char c) {
      return program_->letters.find(c) != std::string_view::npos;
    };
    if (program_->form == Form::kAlone) {
      value_next_ = word.size() == 2 && is_letter(word[1]);
    } else if (is_letter(word[1])) {
      if (word.size() > 2)
        hide(begin + (word[2] == '=' ? 3 : 2));
      else
        value_next_ = program_->form != Form::kGlued;
    } else if (program_->form == Form::kColon && is_letter(word.back()) &&
               word.find_first_not_of("sSkLfvgiIOJqN#46", 1) == word.size() - 1) {
      value_next_ = true;  // curl -su user:X
    }
  }

  // The password is the third word, the second if -n says that there is no file.
  void batch(std::string_view word, std::size_t begin) {
    constexpr int kPassword = 3;
    if (word.front() != '-') {
      if (++words_ == kPassword && is_batch_) hide(begin);
      return;
    }
    is_batch_ = is_batch_ || word.find('b') != std::string_view::npos;
    if (word.find('n') != std::string_view::npos) ++words_;
    skip_ = word.back() == 'C' || word.back() == 'r';
  }

  // What stands at `begin`, up to its closing quote, or to where a shell would end it.
  std::size_t value_end(std::size_t begin) const {
    const char first = text_[begin];
    if (first == '"' || first == '\'') {
      for (std::size_t at = begin + 1; at < text_.size(); ++at) {
        if (text_[at] == '\\' && first == '"')
          ++at;
        else if (text_[at] == first)
          return at + 1;
      }
    }
    std::size_t at = begin;
    for (const std::size_t end = word_end(begin); at < end; ++at) {
      const char c = text_[at];
      if (c == '$' && at + 1 < text_.size() && (text_[at + 1] == '(' || text_[at + 1] == '`'))
        break;
      if ((c == '"' || c == '\'') && at + 1 == end) break;
    }
    return at;
  }

  // What a shell would run is no secret.
  static bool runs_something(std::string_view value) {
    return value.front() == '"'
               ? value.find("$(") != std::string_view::npos ||
                     std::count(value.begin(), value.end(), '`') > 1
               : value.front() == '\'' && value.find("$(") != std::string_view::npos;
  }

  void hide(std::size_t begin) {
    if (begin >= text_.size()) return;
    const std::size_t end = value_end(begin);
    at_ = std::max(at_, end);
    std::string_view value = text_.substr(begin, end - begin);
    if (value.empty() || runs_something(value)) return;
    const bool quoted = (value.front() == '"' || value.front() == '\'') && value.size() > 1 &&
                        value.back() == value.front();
    const char mark = program_->form == Form::kColon     ? ':'
                      : program_->form == Form::kPercent ? '%'
                      : program_->form == Form::kEquals  ? '='
                                                         : '\0';
    if (mark != '\0') {
      const std::size_t at = value.find(mark);
      if (at == std::string_view::npos || at == (quoted ? 1U : 0U)) return;
      value.remove_prefix(at + 1);
      if (quoted) value.remove_suffix(1);
    }
    if (value.empty() || value == kRedacted || !may_be_secret(value)) return;
    const auto from = static_cast<std::size_t>(value.data() - text_.data());
    out_.append(text_, copied_, from - copied_).append(kRedacted);
    copied_ = from + value.size();
  }

  std::string_view text_;
  std::string out_;
  std::size_t copied_ = 0;
  std::size_t at_ = 0;
  State state_ = State::kCommand;
  const Program* program_ = nullptr;
  const Launcher* launcher_ = nullptr;
  int words_ = 0;
  bool skip_ = false;
  bool value_next_ = false;
  bool is_batch_ = false;
  bool is_find_ = false;
};

}  // namespace

std::string hide_program_secrets(std::string_view text) { return Reader(text).read(); }

}  // namespace gyre::schemas
