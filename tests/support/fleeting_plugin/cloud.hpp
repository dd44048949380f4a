#pragma once

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::test {

/// The instances of a make-believe cloud: a file, so that they outlive the
/// plugin. Beside it are two more: `.faults`, which a test may write at any
/// time, and `.calls`, which has a line for each call to the plugin.
class cloud {
public:
  explicit cloud(std::string file) : file_(std::move(file)) {
  }

  /// Ids and states, `creating` or `running`; each is `creating` once.
  std::map<std::string, std::string> list();
  void add(uint32_t count);
  bool remove(const std::string& id);
  bool has(const std::string& id);

  /// What the call shall do instead of its work; empty: nothing.
  std::string fault(const std::string& call) const;

  void note(const std::string& call, const nlohmann::json& with = nullptr);

private:
  nlohmann::json read() const;
  void write(const nlohmann::json& what) const;

  std::string file_;
  std::mutex mutex_;
};

} // namespace muster::test
