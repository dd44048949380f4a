#pragma once

#include <string>
#include <vector>

namespace muster::test {

/// A page of the documentation.
struct page {
  std::string path; ///< from the root of the sources: `docs/jobs.md`
  std::vector<std::string> lines;
};

/// README.md and docs/*.md, by path.
std::vector<page> read_pages();

/// The page of that path; fails the test if there is none.
page read_page(const std::string& path);

/// A fenced block of some language.
struct block {
  size_t line = 0; ///< of its first line, from 1
  std::string text;
};

std::vector<block> blocks_of(const page& from, const std::string& language);

/// The lines outside of fenced blocks; those within are empty.
std::vector<std::string> prose_of(const page& from);

/// What stands in backticks in a line.
std::vector<std::string> code_in(const std::string& line);

/// The targets of a line's links: `[text](target)`.
std::vector<std::string> links_in(const std::string& line);

/// The names that links can point to: `two-words` for `## Two words`.
std::vector<std::string> anchors_of(const page& from);

} // namespace muster::test
