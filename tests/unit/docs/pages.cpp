#include "tests/unit/docs/pages.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>

namespace muster::test {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> read_lines(const fs::path& file) {
  std::ifstream in{file};
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);)
    out.push_back(std::move(line));
  return out;
}

bool is_fence(const std::string& line) {
  return line.starts_with("```");
}

std::string anchor(const std::string& heading) {
  std::string out;
  for (unsigned char c : heading) {
    if (std::isalnum(c) != 0 || c == '_' || c == '-')
      out += static_cast<char>(std::tolower(c));
    else if (c == ' ')
      out += '-';
  }
  return out;
}

} // namespace

page read_page(const std::string& path) {
  page out{path, read_lines(fs::path{MUSTER_SOURCES} / path)};
  REQUIRE_MESSAGE(!out.lines.empty(), path);
  return out;
}

std::vector<page> read_pages() {
  std::vector<page> out{read_page("README.md")};
  std::vector<std::string> names;
  for (const auto& entry :
       fs::directory_iterator{fs::path{MUSTER_SOURCES} / "docs"})
    if (entry.path().extension() == ".md")
      names.push_back("docs/" + entry.path().filename().string());
  std::ranges::sort(names);
  for (const auto& name : names)
    out.push_back(read_page(name));
  return out;
}

std::vector<block> blocks_of(const page& from, const std::string& language) {
  std::vector<block> out;
  bool inside = false;
  bool wanted = false;
  for (size_t i = 0; i < from.lines.size(); ++i) {
    const auto& line = from.lines[i];
    if (is_fence(line)) {
      inside = !inside;
      wanted = inside && line.substr(3) == language;
      if (wanted)
        out.push_back({i + 2, ""});
    } else if (wanted) {
      out.back().text += line + "\n";
    }
  }
  return out;
}

std::vector<std::string> prose_of(const page& from) {
  std::vector<std::string> out;
  bool inside = false;
  for (const auto& line : from.lines) {
    auto fence = is_fence(line);
    inside = inside != fence;
    out.push_back(inside || fence ? "" : line);
  }
  return out;
}

std::vector<std::string> code_in(const std::string& line) {
  std::vector<std::string> out;
  for (size_t at = line.find('`'); at != std::string::npos;) {
    auto end = line.find('`', at + 1);
    if (end == std::string::npos)
      break;
    out.push_back(line.substr(at + 1, end - at - 1));
    at = line.find('`', end + 1);
  }
  return out;
}

std::vector<std::string> links_in(const std::string& line) {
  std::vector<std::string> out;
  for (size_t at = line.find("]("); at != std::string::npos;
       at = line.find("](", at + 1)) {
    auto end = line.find(')', at);
    if (end != std::string::npos)
      out.push_back(line.substr(at + 2, end - at - 2));
  }
  return out;
}

std::vector<std::string> anchors_of(const page& from) {
  std::vector<std::string> out;
  for (const auto& line : prose_of(from))
    if (line.starts_with('#'))
      out.push_back(anchor(line.substr(line.find_first_not_of("# "))));
  return out;
}

} // namespace muster::test
