// SPDX-License-Identifier: Apache-2.0
// pack_playbooks OUT.cpp DIRECTORY FILE...: playbooks as a process reads them fastest, as strings
// of the binary named from the directory on. What a playbook must not say ends the build.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "stages/report/playbook_reader.h"

namespace {

// C++ compilers need not accept longer literals; adjacent ones are joined.
constexpr std::size_t kPiece = 4000;

std::string literal(const std::string& bytes) {
  std::string code;
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    code += "\n    \"";
    for (const char byte : bytes.substr(at, kPiece))
      code += fmt::format("\\{:03o}", static_cast<unsigned char>(byte));
    code += '"';
  }
  return code.empty() ? "\"\"" : code;
}

std::string read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: pack_playbooks OUT.cpp DIRECTORY FILE...\n";
    return EXIT_FAILURE;
  }
  std::vector<std::string> problems;
  std::string entries;
  for (int i = 3; i < argc; ++i) {
    const std::string name = std::filesystem::relative(argv[i], argv[2]).generic_string();
    const auto file = gyre::stages::read_playbook_file(name, read(argv[i]), problems);
    entries += fmt::format("    {{\"{}\"sv,{}sv}},\n", name, literal(file.SerializeAsString()));
  }
  for (const std::string& problem : problems) std::cerr << problem << '\n';
  if (!problems.empty()) return EXIT_FAILURE;
  std::ofstream(argv[1]) << fmt::format(
      "// Made by tools/pack_playbooks; changes are lost.\n"
      "#include <cstddef>\n#include <string_view>\n#include <utility>\n\n"
      "namespace gyre::stages {{\n\nusing namespace std::string_view_literals;\n\n"
      "extern const std::pair<std::string_view, std::string_view> kBuiltinPlaybooks[];\n"
      "extern const std::size_t kBuiltinPlaybooksCount;\n\n"
      "const std::pair<std::string_view, std::string_view> kBuiltinPlaybooks[] = {{\n{}}};\n"
      "const std::size_t kBuiltinPlaybooksCount = {};\n\n}}  // namespace gyre::stages\n",
      entries, argc - 3);
  return EXIT_SUCCESS;
}
