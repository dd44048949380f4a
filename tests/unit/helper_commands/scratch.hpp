#pragma once

#include "executors/helper/archive/bytes.hpp"
#include "executors/helper/archive/entry.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>

namespace muster::test {

namespace fs = std::filesystem;

/// A folder of its own, which is the current one while it lives.
class scratch {
public:
  scratch() : before_(fs::current_path()) {
    char name[] = "/tmp/muster-commands-XXXXXX";
    REQUIRE_NE(::mkdtemp(name), nullptr);
    root_ = name;
    fs::create_directory(root_ / "work");
    fs::current_path(root_ / "work");
  }

  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  ~scratch() {
    fs::current_path(before_);
    std::error_code ignored;
    for (const auto& x : fs::recursive_directory_iterator(root_, ignored))
      if (x.is_directory() && !x.is_symlink())
        fs::permissions(x.path(), fs::perms::owner_all, fs::perm_options::add,
                        ignored);
    fs::remove_all(root_, ignored);
  }

  /// The folder that has the current one.
  const fs::path& root() const {
    return root_;
  }

private:
  fs::path before_;
  fs::path root_;
};

inline void write_file(const fs::path& path, const std::string& text) {
  if (path.has_parent_path())
    fs::create_directories(path.parent_path());
  std::ofstream{path} << text;
}

inline std::string read_file(const fs::path& path) {
  std::ifstream in{path};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Keeps what is written.
struct text_sink : helper::byte_sink {
  std::string text;

  helper::outcome write(std::string_view bytes) override {
    text += bytes;
    return {};
  }
};

/// Gives a text in pieces.
inline helper::byte_source source_of(std::string text, size_t piece = 1000) {
  return [text, piece, at = size_t{0}](
           char* to, size_t size) mutable -> result<size_t, helper_errc> {
    auto n = text.copy(to, std::min(size, piece), at);
    at += n;
    return n;
  };
}

} // namespace muster::test
