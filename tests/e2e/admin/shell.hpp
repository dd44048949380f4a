#pragma once

#include <filesystem>
#include <string>

namespace muster::test {

struct shell_result {
  int status = -1;
  std::string text; ///< stdout and stderr
};

/// A folder with a configuration, and muster on a command line. Goes with the
/// test.
class admin_place {
public:
  admin_place();
  ~admin_place();
  admin_place(const admin_place&) = delete;
  admin_place& operator=(const admin_place&) = delete;

  /// Runs muster with these words, which may begin with variables; `input` is
  /// its stdin. CONFIG_FILE names the configuration.
  shell_result muster(const std::string& words,
                      const std::string& input = {}) const;

  std::string config() const;
  void write(const std::string& text,
             const std::string& name = "config.toml") const;
  std::filesystem::path file(const std::string& name = "config.toml") const;

private:
  std::filesystem::path path_;
};

bool has(const std::string& text, const std::string& part);

} // namespace muster::test
